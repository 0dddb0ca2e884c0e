export const ARG_TYPES = ['required', 'optional', 'static'] as const;
export type ArgType = (typeof ARG_TYPES)[number];

/**
 * One argument of a request, as its sequence declares it and as it was resolved. `Pos` is its index among those of its type. `Given`: by the caller.
 * `Default` is null for what has none to fall back on (required and static ones). Values are any JSON.
 *
 * @see Spin Cycle, proto.RequestArg: the names are those of its wire
 */
export interface RequestArg {
  readonly Pos: number;
  readonly Name: string;
  readonly Desc: string;
  readonly Type: ArgType;
  readonly Given: boolean;
  readonly Default: unknown;
  readonly Value: unknown;
}

export const requestArgSchema = {
  type: 'object',
  required: ['Pos', 'Name', 'Desc', 'Type', 'Given', 'Default', 'Value'],
  properties: {
    Pos: {type: 'integer', minimum: 0},
    Name: {type: 'string'},
    Desc: {type: 'string'},
    Type: {enum: ARG_TYPES},
    Given: {type: 'boolean'},
  },
} as const;

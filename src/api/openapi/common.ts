/** Schemas that belong to no resource. */

/** An object whose members are nobody's business but the one's who sent it. */
export const freeFormObject = {type: 'object'} as const;

export const emptyObject = {type: 'object', additionalProperties: false} as const;

/** Every refusal and failure. The reason stands in the status line too. SkyDriver's own document declares `reason` and `message`, which nobody sends. */
export const errorSchema = {
  type: 'object',
  additionalProperties: false,
  required: ['code', 'error'],
  properties: {
    code: {type: 'integer', description: 'The HTTP status.'},
    error: {type: 'string', description: 'The reason, as in the status line.'},
    reason: {type: 'string', description: 'Never sent.'},
    message: {type: 'string', description: 'Never sent.'},
  },
} as const;

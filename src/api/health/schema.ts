export const livezAnswer = {type: 'object', additionalProperties: false, required: ['status'], properties: {status: {const: 'ok'}}} as const;

const badKey = {
  type: 'object',
  additionalProperties: false,
  required: ['key', 'reason'],
  properties: {key: {type: 'string'}, reason: {type: 'string'}},
} as const;

const badSpec = {
  type: 'object',
  additionalProperties: false,
  required: ['place', 'reason'],
  properties: {place: {type: 'string', description: 'File and line.'}, sequence: {type: 'string'}, node: {type: 'string'}, reason: {type: 'string'}},
} as const;

export const readyzAnswer = {
  type: 'object',
  additionalProperties: false,
  required: ['status', 'checks', 'revision', 'cache_age_seconds', 'scans', 'bad_keys_total', 'bad_keys', 'bad_specs_total', 'bad_specs'],
  properties: {
    status: {enum: ['ok', 'unavailable']},
    checks: {
      type: 'object',
      additionalProperties: false,
      required: ['cache', 'etcd', 'serving'],
      properties: {
        cache: {type: 'boolean', description: 'Whether it has been filled once.'},
        etcd: {type: 'boolean', description: 'Whether etcd answers.'},
        serving: {type: 'boolean', description: 'False once it was told to end: it takes requests for a short while only.'},
      },
    },
    revision: {type: 'integer', description: 'The last revision that was seen.'},
    cache_age_seconds: {type: ['number', 'null']},
    scans: {type: 'integer'},
    bad_keys_total: {type: 'integer'},
    bad_specs_total: {type: 'integer'},
    bad_specs: {
      type: 'array',
      items: badSpec,
      description: 'What is wrong with request specs, each with its place; the first hundred. The other specs work.',
    },
    bad_keys: {type: 'array', items: badKey, description: 'Keys whose values do not parse; the first hundred.'},
  },
} as const;

/** What goes over Spin Cycle's wire, for programs that speak it: `scanplane/proto`. See docs/proto.md. */
export * from './decode.ts';
export * from './error.ts';
export {decodeList, decodeMap} from './fields.ts';
export type {Decoder} from './fields.ts';
export * from './filter.ts';
export type {ClientOptions} from './http.ts';
export {JobRunnerClient} from './job-runner-client.ts';
export * from './json.ts';
export {RequestManagerClient} from './request-manager-client.ts';
export * from './sort.ts';
export * from './state.ts';
export * from './time.ts';
export * from './types.ts';

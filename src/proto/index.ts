/** What goes over Spin Cycle's wire, for programs that speak it: `scanplane/proto`. See docs/proto.md. */
export * from './api-error.ts';
export * from './filter.ts';
export * from './job-chain.ts';
export * from './job-log.ts';
export * from './request.ts';
export * from './state.ts';
export * from './status.ts';

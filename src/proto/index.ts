/** What goes over Spin Cycle's wire, for programs that speak it: `scanplane/proto`. See docs/proto.md. */
export * from './error.ts';
export * from './filter.ts';
export * from './json.ts';
export * from './sort.ts';
export * from './state.ts';
export * from './time.ts';
export * from './types.ts';

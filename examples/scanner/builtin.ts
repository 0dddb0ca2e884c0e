/**
 * `node:http`, without the cost of importing it: an import statement evaluates every one of its exports, among them WebSocket and fetch (40 ms of CPU time),
 * and a scanner of twelve pixels takes hardly more than that in all.
 */
export const http = process.getBuiltinModule('node:http');

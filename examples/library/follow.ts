import type {ConfigDatabase, KeyChange} from '../../src/client/index.ts';

/** Hands on every change of deployments, and begins with those that are there. A change is told once, and none is left out. */
export async function followDeployments(db: ConfigDatabase, onChange: (change: KeyChange) => void, signal: AbortSignal): Promise<void> {
  const {keys, revision} = await db.list('/deploy/');
  for (const path of keys) onChange({path, text: (await db.get(path, {revision})).text, revision});
  for await (const change of await db.watch('/deploy/', {prefix: true, from: revision + 1, signal})) onChange(change);
}

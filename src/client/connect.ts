import {systemClock} from '../lib/clock.ts';
import {silentLog} from '../lib/log.ts';
import {openMembers} from '../store/open.ts';
import {EtcdStore} from '../store/etcd-store.ts';
import {ConfigDatabase} from './config-database.ts';
import {databaseOptions} from './options.ts';
import type {ConnectOptions, Environment} from './options.ts';

/** Seconds; as ska-sdp-config has it. */
const TTL_SECONDS = 10;

/**
 * Connects to the configuration database; nothing is sent yet. The caller closes it: `await using db = connect()`.
 *
 * @param options what is left out comes from the environment: see {@link databaseOptions}
 * @throws ControlPlaneError `invalid`, with the option or the variable
 */
export function connect(options: ConnectOptions = {}, env: Environment = process.env): ConfigDatabase {
  const database = databaseOptions(options, env);
  const {ttlSeconds = TTL_SECONDS, command = process.argv.slice(0, 2)} = options;
  const clock = systemClock;
  const log = options.log ?? silentLog;
  const members = openMembers(database, log);
  const store = new EtcdStore(members, {prefix: database.prefix, clock});
  return new ConfigDatabase({store, clock, log, ttlSeconds, command});
}

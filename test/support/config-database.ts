import {afterAll, beforeAll, beforeEach} from 'vitest';
import {connect} from '../../src/client/index.ts';
import type {ConfigDatabase, ConnectOptions} from '../../src/client/index.ts';
import {startEtcd} from './etcd.ts';
import type {TestEtcd} from './etcd.ts';

/** One etcd for the tests of a file, a connection to it, and a fresh path for each test. */
export interface DatabaseUnderTest {
  readonly etcd: TestEtcd;
  readonly db: ConfigDatabase;
  /** A path of this test's own. */
  readonly k: string;
  /** Another connection, with its own identity. */
  connect(options?: ConnectOptions): ConfigDatabase;
}

/** Call it at the top of a test file. `prefixed`: each test gets a prefix, and so an empty database, of its own. */
export function useDatabase(options: {readonly prefixed?: boolean} = {}): DatabaseUnderTest {
  let etcd: TestEtcd;
  let opened: ConfigDatabase[] = [];
  let tests = 0;
  const shared: ConfigDatabase[] = [];

  function open(more: ConnectOptions = {}): ConfigDatabase {
    return connect({endpoints: [etcd.endpoint], ...(options.prefixed === true ? {prefix: `/t${tests}`} : {}), ...more}, {});
  }

  beforeAll(async () => {
    etcd = await startEtcd({unsafeNoFsync: true});
    if (options.prefixed !== true) shared.push(open());
  });
  beforeEach(async () => {
    await Promise.all(opened.map((each) => each.close()));
    opened = [];
    tests += 1;
    if (options.prefixed === true) opened.push(open());
  });
  afterAll(async () => {
    await Promise.all([...opened, ...shared].map((each) => each.close()));
    await etcd.stop();
  });

  return {
    get etcd() {
      return etcd;
    },
    get db() {
      return (shared[0] ?? opened[0]) as ConfigDatabase;
    },
    get k() {
      return `/test-${String(tests).padStart(3, '0')}`;
    },
    connect: (more) => {
      const db = open(more);
      opened.push(db);
      return db;
    },
  };
}

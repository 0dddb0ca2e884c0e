import {expect, test} from 'vitest';
import {connect} from '../../src/client/index.ts';
import {databaseOptions} from '../../src/client/options.ts';

test('without options and environment it is an etcd on this host', () => {
  expect(databaseOptions({}, {})).toEqual({endpoints: ['http://127.0.0.1:2379'], prefix: ''});
});

test('our variables come before the older ones, and options before both', () => {
  const older = {
    SDP_CONFIG_HOST: 'etcd',
    SDP_CONFIG_PORT: '2380',
    SDP_CONFIG_PROTOCOL: 'https',
    SDP_CONFIG_CERT: '/ca.pem',
    SDP_CONFIG_USERNAME: 'u',
    SDP_CONFIG_PASSWORD: 'p',
  };
  expect(databaseOptions({}, older)).toEqual({endpoints: ['https://etcd:2380'], prefix: '', cacert: '/ca.pem', user: 'u', password: 'p'});
  const ours = {...older, SCANPLANE_ETCD_ENDPOINTS: 'a:1, b:2', SCANPLANE_ETCD_PREFIX: '/p/', SCANPLANE_ETCD_USER: 'v', SCANPLANE_ETCD_CACERT: ''};
  expect(databaseOptions({}, ours)).toMatchObject({endpoints: ['a:1', 'b:2'], prefix: '/p', user: 'v', password: 'p', cacert: '/ca.pem'});
  expect(databaseOptions({endpoints: ['c:3'], prefix: '', user: 'w'}, ours)).toMatchObject({endpoints: ['c:3'], prefix: '', user: 'w'});
});

test('what makes no sense is refused, and no secret is repeated', () => {
  expect(() => databaseOptions({}, {SDP_CONFIG_BACKEND: 'memory'})).toThrow(/SDP_CONFIG_BACKEND/);
  expect(() => databaseOptions({endpoints: ['http://u:secret@h:1']}, {})).toThrow(expect.not.stringContaining('secret'));
  expect(() => databaseOptions({endpoints: ['ftp://h']}, {})).toThrow(/endpoints/);
  expect(() => databaseOptions({prefix: 'p'}, {})).toThrow(/prefix/);
  expect(() => databaseOptions({cert: 'a.pem'}, {})).toThrow(/cert and key/);
  expect(() => connect({cacert: '/nowhere/ca.pem'}, {})).toThrow(/ca\.pem/);
});

test('a database that cannot be reached is unavailable', async () => {
  await using db = connect({endpoints: ['http://127.0.0.1:1']}, {});
  await expect(db.get('/a')).rejects.toMatchObject({code: 'unavailable'});
  await expect(db.create('/a', 'x')).rejects.toMatchObject({code: 'unavailable'});
});

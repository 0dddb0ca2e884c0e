import {readFileSync} from 'node:fs';
import {join} from 'node:path';
import {expect, test} from 'vitest';
import {parse} from 'yaml';
import {createMetrics} from '../../src/api/metrics.ts';
import type {ApiDeps} from '../../src/api/deps.ts';
import {controllerMetrics} from '../../src/controllers/metrics.ts';
import type {MetricsDeps} from '../../src/controllers/metrics.ts';

const DEPLOY = join(import.meta.dirname, '..', '..', 'deploy');
const read = (file: string): string => readFileSync(join(DEPLOY, file), 'utf8');

/** Of others, from their own lists. */
const FOREIGN = new Set([
  'etcd_server_has_leader',
  'etcd_mvcc_db_total_size_in_bytes',
  'etcd_server_quota_backend_bytes',
  'etcd_disk_wal_fsync_duration_seconds_bucket',
  'kube_cronjob_status_last_successful_time',
]);

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly labels: {readonly severity: string};
  readonly annotations: {readonly summary: string};
}

const rules = (parse(read('prometheus/rules.yaml')) as {groups: {rules: Rule[]}[]}).groups.flatMap((group) => group.rules);

interface Panel {
  readonly title: string;
  readonly targets?: readonly {readonly expr: string}[];
}
const panels = (JSON.parse(read('grafana/dashboard.json')) as {panels: Panel[]}).panels;

const queries = [
  ...rules.map(({alert, expr}) => [alert, expr] as const),
  ...panels.flatMap(({title, targets = []}) => targets.map(({expr}) => [title, expr] as const)),
];

/** What `GET /metrics` gives, by the name that a query uses → labels. */
function given(): Map<string, ReadonlySet<string>> {
  const names = new Map<string, ReadonlySet<string>>();
  // Nothing is collected, so nothing is asked of what the metrics are made from.
  const {registry} = createMetrics({} as ApiDeps);
  controllerMetrics(registry, {ownership: {onLost: () => {}}} as unknown as MetricsDeps, new AbortController().signal);
  for (const metric of registry.getMetricsAsArray()) {
    const {name, type, labelNames = []} = metric as unknown as {name: string; type: string; labelNames?: readonly string[]};
    const labels = new Set(labelNames);
    if (type !== 'histogram') names.set(name, labels);
    else for (const suffix of ['bucket', 'sum', 'count']) names.set(`${name}_${suffix}`, new Set([...labels, 'le']));
  }
  return names;
}

/** Set by Prometheus for whatever it scrapes. */
const SCRAPED = ['job', 'instance'];

test.each(queries)('%s asks for what there is', (_, expr) => {
  const names = given();
  const asked = [...expr.matchAll(/\b((?:scanplane|etcd|kube)_\w+)(?:\{([^}]*)\})?/g)];
  for (const [, name = '', selector = ''] of asked) {
    if (FOREIGN.has(name)) continue;
    expect([...names.keys()]).toContain(name);
    for (const [, label = ''] of selector.matchAll(/(\w+)\s*(?:=~|!~|!=|=)/g)) expect([...(names.get(name) ?? []), ...SCRAPED]).toContain(label);
  }
  if (asked.length === 0) expect(expr).toMatch(/\bup\b/);
});

test('every alert says how urgent it is and what is wrong, and no name stands twice', () => {
  for (const {labels, annotations} of rules) {
    expect(['page', 'ticket']).toContain(labels.severity);
    expect(annotations.summary).not.toBe('');
  }
  expect(new Set(rules.map(({alert}) => alert)).size).toBe(rules.length);
});

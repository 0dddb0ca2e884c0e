import {startProcess} from '../lib/remote.ts';
import type {Family, Row, Sample} from '../lib/row.ts';
import type {FindProcess} from '../processes/find.ts';

const SCANS = 100_000;

const row = (id: string, title: string, targets: Pick<Row, 'pass' | 'stretch'>): Row => ({
  ...{id, title, against: 'a loop written by hand over the same objects', unit: 'ms', better: 'lower', judged: 'median'},
  ...targets,
});

/** Q: searches in the watch cache's tables, both sides in one process in turn. */
export const query: Family = {
  name: 'query',
  rows: [
    row('Q2', 'find() by an indexed field, 10 of 100,000 match, warm', {pass: 0.02, stretch: 0.008}),
    row('Q2.cold', 'the same, with cold processor caches', {}),
  ],

  async round({isQuick, progress, wants}): Promise<readonly Sample[]> {
    progress('100,000 scans in memory');
    const process = await startProcess<FindProcess>('find.ts');
    try {
      await process.call.fill(SCANS);
      progress('searching, A B B A');
      const samples: Sample[] = [];
      if (wants('Q2')) samples.push({id: 'Q2', ...(await process.call.compare(isQuick ? 100 : 300, false))});
      if (wants('Q2.cold')) samples.push({id: 'Q2.cold', ...(await process.call.compare(isQuick ? 10 : 20, true))});
      return samples;
    } finally {
      await process.kill();
    }
  },
};

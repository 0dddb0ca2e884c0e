import type {ConfigDatabase} from '../../src/client/index.ts';

/** One scan of a subarray whose resources are assigned already. Each command is a transaction of its own, refused where it is not allowed. */
export async function observe(db: ConfigDatabase, subarray: string, scanType: string, scanId: number): Promise<void> {
  const command = (name: 'Configure' | 'Scan' | 'EndScan' | 'End', argument?: object): Promise<void> =>
    db.transact((tx) => tx.subarrays.command(subarray, name, argument));
  await command('Configure', {scan_type: scanType});
  await command('Scan', {scan_id: scanId});
  await command('EndScan');
  await command('End');
}

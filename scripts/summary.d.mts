export interface Summary {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  readonly skippedTitles: readonly string[];
  readonly problems: readonly string[];
}
export function summarize(reports: readonly {readonly name: string; readonly text: string | undefined}[]): Summary;
export function summaryLines(sum: Summary): readonly string[];
export function isGood(sum: Summary): boolean;

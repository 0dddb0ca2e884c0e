/** One line of the table: a ratio of two figures measured in the same round. */
export interface Row {
  readonly id: string;
  /** What is measured. */
  readonly title: string;
  /** What it is divided by. */
  readonly against: string;
  /** Unit of both sides before they are divided, for the table. */
  readonly unit: string;
  readonly better: 'higher' | 'lower';
  /** Absent: the row is reported and not judged. */
  readonly pass?: number;
  readonly stretch?: number;
  /** What is judged: the median's whole interval, or (where the target is a worst case) the worst of all. */
  readonly judged: 'median' | 'worst';
}

/** Processor microseconds per operation of each process that took part. */
export type CpuPerOperation = Readonly<Record<string, number>>;

/** What one round says of one row. More than one figure on a side: the phases of A B B A, or several trials. */
export interface Sample {
  readonly id: string;
  readonly a: readonly number[];
  readonly b: readonly number[];
  /** Each figure of `a` is a trial of its own, not a repetition: they may differ. */
  readonly isTrials?: boolean;
  readonly cpu?: {readonly a: CpuPerOperation; readonly b: CpuPerOperation};
}

export interface RoundContext {
  readonly round: number;
  readonly isQuick: boolean;
  /** Says what is being done, on the terminal's last line. */
  readonly progress: (text: string) => void;
  readonly wants: (rowId: string) => boolean;
}

/** Rows that are measured together. */
export interface Family {
  readonly name: string;
  /** Measured on a Kubernetes cluster, and only when it is asked for. */
  readonly needsKubernetes?: boolean;
  readonly rows: readonly Row[];
  /** One round. */
  round(context: RoundContext): Promise<readonly Sample[]>;
  /** After the last round. */
  close?(): Promise<void>;
}

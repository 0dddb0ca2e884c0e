import {ControlPlaneError} from '../../lib/errors.ts';

/** Steps that a filter may take on one document: some thirty milliseconds. A step is a value visited, or one state of a regular expression on one character. */
const STEPS_PER_DOCUMENT = 2_000_000;

/** Counts what a filter does on a document, so that no pair of the two holds the event loop for long. */
export class Work {
  #steps = 0;

  /** The next document begins. */
  reset(): void {
    this.#steps = 0;
  }

  /** @throws ControlPlaneError `invalid`: this document takes too long */
  spend(steps: number): void {
    this.#steps += steps;
    if (this.#steps > STEPS_PER_DOCUMENT) {
      throw new ControlPlaneError('invalid', `filter takes more than ${STEPS_PER_DOCUMENT} steps on one document`);
    }
  }
}

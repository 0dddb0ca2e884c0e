/**
 * What `work` comes to, or what `late` gives or throws once that has taken `ms`. The work goes on then, and how it ends is nobody's any more.
 *
 * For what is done thousands of times a second: an abort signal costs fifty times what a timer does.
 */
export function unlessLate<T, L>(work: Promise<T>, ms: number, late: () => L): Promise<T | L> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      try {
        resolve(late());
      } catch (err) {
        reject(err);
      }
    }, ms);
    work.then(
      (value) => {
        clearTimeout(timer);
        resolve(value);
      },
      (err: unknown) => {
        clearTimeout(timer);
        reject(err);
      },
    );
  });
}

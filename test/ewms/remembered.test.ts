import {expect, test} from 'vitest';
import {RememberedAnswers} from '../../src/ewms/remembered.ts';
import {ControlPlaneError} from '../../src/lib/errors.ts';
import type {Clock} from '../../src/lib/clock.ts';
import {silentLog} from '../../src/lib/log.ts';

/** A service whose questions are answered by hand, and a memory of its answers on a clock moved by hand. */
function aService(keepMs = 1000) {
  let nowMs = 1_000_000;
  const clock: Clock = {now: () => nowMs, monotonicMs: () => nowMs};
  const questions: (PromiseWithResolvers<string> & {readonly key: string})[] = [];
  const answers = new RememberedAnswers<string>({
    ...{clock, log: silentLog},
    ask: (key) => {
      const question = {...Promise.withResolvers<string>(), key};
      questions.push(question);
      return question.promise;
    },
    keepMs: () => keepMs,
  });
  /** Asks, and has the question answered. */
  const learn = async (value: string | Error): Promise<unknown> => {
    const asked = answers.get('W');
    await Promise.resolve();
    const question = questions.at(-1);
    if (value instanceof Error) question?.reject(value);
    else question?.resolve(value);
    return asked;
  };
  return {answers, questions, learn, pass: (ms: number) => void (nowMs += ms)};
}

const away = new ControlPlaneError('unavailable', 'away');

test('an answer is used again while it is current, and asked for again afterwards', async () => {
  const {answers, questions, learn, pass} = aService();
  expect(await learn('a')).toEqual({value: 'a', isStale: false});
  pass(999);
  expect(await answers.get('W')).toEqual({value: 'a', isStale: false});
  expect(questions).toHaveLength(1);
  pass(1);
  expect(await learn('b')).toEqual({value: 'b', isStale: false});
  expect(questions).toHaveLength(2);
});

test('one question is under way at a time, and all who ask share its answer', async () => {
  const {answers, questions} = aService();
  const asked = [answers.get('W'), answers.get('W'), answers.get('W')];
  await Promise.resolve();
  expect(questions).toHaveLength(1);
  questions[0]?.resolve('a');
  expect(await Promise.all(asked)).toEqual(Array(3).fill({value: 'a', isStale: false}));
});

test('who asks while the service is silent gets what it said last, and later ones do not wait at all', async () => {
  const {answers, questions, learn, pass} = aService();
  await learn('a');
  pass(1000);
  expect(await answers.get('W')).toEqual({value: 'a', isStale: true});
  pass(700);
  let isHere = false;
  void answers.get('W').then(() => (isHere = true));
  await Promise.resolve();
  await Promise.resolve();
  await Promise.resolve();
  expect(isHere).toBe(true);
  expect(questions).toHaveLength(2);
  questions[1]?.resolve('b'); // It was only slow.
  await new Promise((resolve) => setImmediate(resolve));
  expect(await answers.get('W')).toEqual({value: 'b', isStale: false});
});

test('after an error the last answer is shown for a while before the service is asked again', async () => {
  const {answers, questions, learn, pass} = aService();
  await learn('a');
  pass(1000);
  expect(await learn(away)).toEqual({value: 'a', isStale: true});
  pass(4999);
  expect(await answers.get('W')).toEqual({value: 'a', isStale: true});
  expect(questions).toHaveLength(2);
  pass(1);
  expect(await learn('b')).toEqual({value: 'b', isStale: false});
});

test('of a service that never answered nothing is known', async () => {
  const {learn} = aService();
  expect(await learn(away)).toEqual({value: undefined, isStale: true});
});

test('questions under way are bounded: beyond them the answer comes from memory at once', async () => {
  const {answers, questions} = aService();
  for (let i = 0; i < 64; i++) void answers.get(`W${i}`);
  expect(await answers.get('W64')).toEqual({value: undefined, isStale: true});
  expect(questions.map(({key}) => key)).not.toContain('W64');
});

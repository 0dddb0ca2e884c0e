import {onlyId, resultCommand} from '../command.ts';
import {isUnfinished} from '../present.ts';

const facts = {name: 'running', usage: '<id>', summary: 'exit with 0 if a request waits, runs or is suspended, else with 1'};

export const running = resultCommand<boolean>({
  ...facts,
  query: async ({api, line}) => isUnfinished(await api.getRequest(onlyId(facts, line.args))),
  show: () => '',
  exitCode: (is) => (is ? 0 : 1),
});

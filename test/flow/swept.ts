/** The sweeper as a safety net: how many times it had to help in a test. */

interface Swept {
  tasks: number;
  submissions: number;
  flights: number;
}

/** @param lines of the log; the sweeper writes one for each sweep that re-sent anything */
function countSwept(lines: readonly Record<string, unknown>[]): Swept {
  const total: Swept = { tasks: 0, submissions: 0, flights: 0 };
  for (const line of lines) {
    if (line['msg'] !== 'swept') continue;
    total.tasks += Number(line['tasks']);
    // A call in doubt is due the moment that its own message is: which comes first says nothing.
    total.submissions += Number(line['submissions']) - Number(line['doubts']);
    total.flights += Number(line['flights']);
  }
  return total;
}

/** @throws where the sweeper helped: then a message that should have been sent was not. */
export function refuseHelp(lines: readonly Record<string, unknown>[]): void {
  const { tasks, submissions, flights } = countSwept(lines);
  if (tasks + submissions + flights === 0) return;
  throw new Error(
    `The sweeper re-sent messages for ${tasks} tasks, ${submissions} submissions and ${flights} flights. ` +
      'A stage did not send what it should have. If the test means to lose messages, let it call world.sweeperMayHelp().',
  );
}

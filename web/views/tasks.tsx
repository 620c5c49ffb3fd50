/** Tasks of all scatters and of none, with filters that are in the URL. */
import { hrefOf, type Filter } from '../model/route.ts';
import { Card, Heading } from '../parts/basics.tsx';
import { TaskTable } from '../parts/task-table.tsx';

export function Tasks({ filter }: { filter: Filter }) {
  return (
    <>
      <Heading>Tasks</Heading>
      <Card title="Newest first">
        <TaskTable
          filter={filter}
          onFilter={(wanted) => {
            location.hash = hrefOf('tasks', { ...wanted });
          }}
        />
      </Card>
    </>
  );
}

/** For administrators: messages that were laid aside, and tokens. */
import { useState } from 'preact/hooks';
import type { LaidAsideMessage, TokenMade, TokenReply } from '../../packages/client/client.ts';
import { useNow, useRead, useShared } from '../hooks.ts';
import * as format from '../model/format.ts';
import { taskHref } from '../model/route.ts';
import { Card, Empty, Heading, Loading, TableBox, Trouble } from '../parts/basics.tsx';
import { Confirm } from '../parts/confirm.tsx';

const EVERY_MS = 10_000;

export function Admin() {
  return (
    <>
      <Heading>Admin</Heading>
      <Messages />
      <Tokens />
      <Card title="More">
        <ul class="lines">
          <li>
            <a href="/board">Queue board</a>: every message of the queues, read-only. It asks for
            your token as a password.
          </li>
          <li>
            <a href="/docs">API</a>: every route, with its schema.
          </li>
        </ul>
      </Card>
    </>
  );
}

function Messages() {
  const { service } = useShared();
  const { data, error, again } = useRead<{ messages: LaidAsideMessage[] }>(
    'messages',
    (signal) => service.get('/v1/messages', signal),
    EVERY_MS,
  );
  const stages = [...new Set(data?.messages.map(({ stage }) => stage))];
  const retry = async (stage: string, ids?: string[]): Promise<string> => {
    const { retried } = await service.post<{ retried: number }>('/v1/messages:retry', {
      stage,
      ...(ids && { ids }),
    });
    again();
    return `${format.count(retried)} message${retried === 1 ? ' is' : 's are'} taken again.`;
  };
  return (
    <Card
      title="Messages that were laid aside"
      actions={stages.map((stage) => (
        <Confirm
          key={stage}
          label={`Retry all of ${stage}`}
          question={`Retry all messages of ${stage} that were laid aside?`}
          act={() => retry(stage)}
        />
      ))}
    >
      <Trouble error={error} />
      {!data && !error && <Loading />}
      {data?.messages.length === 0 && <Empty>None. Every message was worked on.</Empty>}
      {data && data.messages.length > 0 && (
        <TableBox label="Messages">
          <table>
            <thead>
              <tr>
                <th scope="col">Stage</th>
                <th scope="col">Of</th>
                <th scope="col">Error of the last try</th>
                <th scope="col" class="number">
                  Failed
                </th>
                <th scope="col">Action</th>
              </tr>
            </thead>
            <tbody>
              {data.messages.map((message) => (
                <MessageRow
                  key={`${message.stage} ${message.id}`}
                  message={message}
                  retry={() => retry(message.stage, [message.id])}
                />
              ))}
            </tbody>
          </table>
        </TableBox>
      )}
    </Card>
  );
}

function MessageRow({ message, retry }: { message: LaidAsideMessage; retry(): Promise<string> }) {
  const now = useNow();
  const { stage, id } = message;
  return (
    <tr>
      <th scope="row">{stage}</th>
      <td class="mono">
        <Subject message={message} />
      </td>
      <td class="why">{message.error}</td>
      <td class="number">{format.ago(message.failed, now)}</td>
      <td>
        <Confirm
          label="Retry"
          of={`message ${id} of ${stage}`}
          question={`Retry message ${id} of ${stage}?`}
          act={retry}
        />
      </td>
    </tr>
  );
}

const SHOWN_TASKS = 3;

function Subject({ message }: { message: LaidAsideMessage }) {
  if (message.tasks === 0) return <>{message.subject}</>;
  const shown = message.task_ids.slice(0, SHOWN_TASKS);
  const more = message.tasks - shown.length;
  return (
    <>
      {shown.map((id) => (
        <div key={id}>
          <a href={taskHref(id)}>{id}</a>
        </div>
      ))}
      {more > 0 && <span class="quiet">and {format.tasks(more)} more</span>}
    </>
  );
}

function Tokens() {
  const { service, session } = useShared();
  const { data, error, again } = useRead<{ tokens: TokenReply[] }>('tokens', (signal) =>
    service.get('/v1/tokens', signal),
  );
  return (
    <Card title="Tokens">
      <Trouble error={error} />
      {session.tokens_required ? (
        <NewToken onMade={again} />
      ) : (
        <p class="quiet">This API requires no tokens. Set BATCHWELL_TOKENS to require them.</p>
      )}
      {data?.tokens.length === 0 && <Empty>No token was created.</Empty>}
      {data && data.tokens.length > 0 && (
        <TableBox label="Tokens">
          <table>
            <thead>
              <tr>
                <th scope="col">Owner</th>
                <th scope="col">Name</th>
                <th scope="col">Scopes</th>
                <th scope="col">Created</th>
                <th scope="col">Ends</th>
                <th scope="col">Action</th>
              </tr>
            </thead>
            <tbody>
              {data.tokens.map((token) => (
                <tr key={token.id}>
                  <th scope="row">{token.owner}</th>
                  <td>{token.name}</td>
                  <td>{token.scopes.join(', ')}</td>
                  <td>{format.clock(token.created)}</td>
                  <td>{endOf(token)}</td>
                  <td>
                    {token.revoked === undefined && (
                      <Confirm
                        danger
                        label="Revoke"
                        of={`token ${token.id} of ${token.owner}`}
                        question={`Revoke the token ${token.name || token.id} of ${token.owner}?`}
                        act={async () => {
                          await service.delete(`/v1/tokens/${token.id}`);
                          again();
                          return 'The token stops working within 10 s.';
                        }}
                      />
                    )}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </TableBox>
      )}
    </Card>
  );
}

function endOf({ revoked, expires }: TokenReply): string {
  if (revoked !== undefined) return `revoked ${format.clock(revoked)}`;
  return expires === undefined ? 'never' : format.clock(expires);
}

const SCOPES = ['submit', 'read', 'cancel', 'admin'] as const;

function NewToken({ onMade }: { onMade(): void }) {
  const { service, tell } = useShared();
  const [made, setMade] = useState<TokenMade>();
  const [error, setError] = useState<string>();
  const create = async (form: HTMLFormElement): Promise<void> => {
    const given = new FormData(form);
    try {
      setError(undefined);
      setMade(
        await service.post<TokenMade>('/v1/tokens', {
          owner: given.get('owner'),
          name: given.get('name'),
          scopes: given.getAll('scopes'),
        }),
      );
      tell('The token was created.');
      form.reset();
      onMade();
    } catch (failed) {
      setError(failed instanceof Error ? failed.message : String(failed));
    }
  };
  return (
    <form
      class="filters"
      aria-label="Create a token"
      onSubmit={(event) => {
        event.preventDefault();
        void create(event.currentTarget);
      }}
    >
      <label>
        Owner <input name="owner" required maxLength={64} autocomplete="off" />
      </label>
      <label>
        Name <input name="name" maxLength={255} autocomplete="off" />
      </label>
      <fieldset>
        <legend>Scopes</legend>
        {SCOPES.map((scope) => (
          <label key={scope}>
            <input type="checkbox" name="scopes" value={scope} defaultChecked={scope !== 'admin'} />{' '}
            {scope}
          </label>
        ))}
      </fieldset>
      <button type="submit">Create token</button>
      <Trouble error={error} />
      {made && (
        <p class="made" role="status">
          Copy it now, it is shown only once: <code class="mono">{made.token}</code>{' '}
          <button type="button" class="plain" onClick={() => setMade(undefined)}>
            Hide
          </button>
        </p>
      )}
    </form>
  );
}

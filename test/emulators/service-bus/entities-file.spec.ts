import assert from 'node:assert/strict';
import { EntitiesFileError, parseEntitiesFile, readEntities } from '#emulators/service-bus/entities-file.ts';
import { entitiesOf, type Queues, type Topics } from './local-namespace.ts';

function faultsOf(content: unknown): string {
  try {
    readEntities(content, 'Config.json');
  } catch (error) {
    if (error instanceof EntitiesFileError) return error.message;
  }
  throw new Error('The entities were accepted.');
}

describe('Service Bus: the entities file', () => {
  it("reads the format of Microsoft's emulator, with the defaults of Service Bus", () => {
    const namespace = parseEntitiesFile(
      JSON.stringify({
        UserConfig: {
          Namespaces: [
            {
              Name: 'landfall',
              Queues: [
                {
                  Name: 'landing',
                  Properties: {
                    DeadLetteringOnMessageExpiration: false,
                    DefaultMessageTimeToLive: 'PT1H',
                    DuplicateDetectionHistoryTimeWindow: 'PT20S',
                    ForwardDeadLetteredMessagesTo: '',
                    ForwardTo: '',
                    LockDuration: 'PT1M',
                    MaxDeliveryCount: 10,
                    RequiresDuplicateDetection: false,
                    RequiresSession: false,
                  },
                },
              ],
              Topics: [
                {
                  Name: 'commands',
                  Properties: { DefaultMessageTimeToLive: 'P1DT2H', RequiresDuplicateDetection: true },
                  Subscriptions: [{ Name: 'all' }],
                },
              ],
            },
          ],
          Logging: { Type: 'File' },
        },
      }),
      'Config.json',
    );
    const [landing] = namespace.queues;
    assert.equal(landing?.defaultTimeToLiveMs, 3_600_000);
    assert.equal(landing.lockDurationMs, 60_000);
    assert.equal(landing.duplicateWindowMs, undefined);
    assert.equal(landing.forwardTo, undefined);
    const [commands] = namespace.topics;
    assert.equal(commands?.defaultTimeToLiveMs, 26 * 3_600_000);
    assert.equal(commands.duplicateWindowMs, 600_000);
    assert.deepEqual(commands.subscriptions[0]?.rules, [
      { name: '$Default', filter: { kind: 'sql', expression: '1=1' } },
    ]);
    assert.equal(commands.subscriptions[0].maxDeliveryCount, 10);
  });

  const refused: readonly [what: string, content: unknown, fault: RegExp][] = [
    ['no namespace', { UserConfig: { Namespaces: [] } }, /UserConfig\.Namespaces: must hold exactly one/],
    [
      'a misspelt setting',
      queues([{ Name: 'a', Properties: { LockDurations: 'PT1M' } as object }]),
      /LockDurations/,
    ],
    ['a lock of an hour', queues([{ Name: 'a', Properties: { LockDuration: 'PT1H' } }]), /at most PT5M/],
    [
      'a duration in words',
      queues([{ Name: 'a', Properties: { DefaultMessageTimeToLive: '1 hour' } }]),
      /ISO 8601/,
    ],
    ['sessions', queues([{ Name: 'a', Properties: { RequiresSession: true as never } }]), /has no sessions/],
    ['a name used twice', queues([{ Name: 'a' }, { Name: 'A' }]), /'A' is declared twice/],
    [
      'a forward into nowhere',
      queues([{ Name: 'a', Properties: { ForwardTo: 'b' } }]),
      /'a' has ForwardTo 'b', which is not a queue or topic/,
    ],
    ['a forward to itself', queues([{ Name: 'a', Properties: { ForwardTo: 'a' } }]), /to itself/],
    [
      'a SQL filter that cannot be read',
      topicWithSql('color = '),
      /Rule 'r' of 't\/s': the SQL expression "color = "/,
    ],
    [
      'a correlation filter that compares nothing',
      entitiesOf([], [topicWithRule({ FilterType: 'Correlation', CorrelationFilter: {} })]),
      /needs at least one property/,
    ],
  ];
  for (const [what, content, fault] of refused) {
    it(`refuses ${what} and says why`, () => assert.match(faultsOf(content), fault));
  }

  it('lists every fault at once, each with its place', () => {
    const faults = faultsOf(
      queues([
        { Name: 'a', Properties: { MaxDeliveryCount: 0 } },
        { Name: 'b!', Properties: {} },
      ]),
    );
    assert.match(faults, /Config\.json cannot be used/);
    assert.match(faults, /Queues\.0\.Properties\.MaxDeliveryCount/);
    assert.match(faults, /Queues\.1\.Name/);
  });
});

function queues(list: Queues): unknown {
  return entitiesOf(list);
}

function topicWithSql(expression: string): unknown {
  return entitiesOf([], [topicWithRule({ FilterType: 'Sql', SqlFilter: { SqlExpression: expression } })]);
}

function topicWithRule(
  rule: NonNullable<NonNullable<Topics[number]['Subscriptions']>[number]['Rules']>[number]['Properties'],
): Topics[number] {
  return { Name: 't', Subscriptions: [{ Name: 's', Rules: [{ Name: 'r', Properties: rule }] }] };
}

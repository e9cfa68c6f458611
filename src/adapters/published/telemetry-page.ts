import { METRICS_OF_EVENTS, type Metric, QUEUE_AGE, REPORTED_EVENTS } from '#domain/reported-events.ts';

/** What processes report, as tables of docs/infrastructure/telemetry.md. */
export function reportedMarkdown(): string {
  const events = Object.entries(REPORTED_EVENTS).map(
    ([name, { dimensions, numbers }]) => `| \`${name}\` | ${listOf(dimensions)} | ${listOf(numbers)} |`,
  );
  const metrics = [
    ...Object.entries(METRICS_OF_EVENTS).flatMap(([event, made]) =>
      made.map((metric) => metricRow(metric, `\`${event}\`, \`${metric.from}\``)),
    ),
    metricRow(QUEUE_AGE, `spans that consume, \`${QUEUE_AGE.from}\``),
  ];
  return [
    '| event | dimensions (`Properties`) | numbers (`Measurements`) |',
    '| --- | --- | --- |',
    ...events,
    '',
    '| metric | unit | dimensions | made of |',
    '| --- | --- | --- | --- |',
    ...metrics,
    '',
  ].join('\n');
}

function metricRow({ name, unit, dimensions }: Metric, madeOf: string): string {
  return `| \`${name}\` | ${unit} | ${listOf(dimensions)} | ${madeOf} |`;
}

function listOf(names: readonly string[]): string {
  return names.map((name) => `\`${name}\``).join(', ');
}

/** Query files, name to text: the question is the comment on the first line. */
export function queriesMarkdown(queries: ReadonlyMap<string, string>, alerts: readonly string[]): string {
  return [...queries]
    .map(([name, text]) => {
      const [question = '', ...query] = text.trimEnd().split('\n');
      const use = alerts.includes(name) ? 'Alert.' : 'Workbook.';
      return [
        `### ${name}`,
        '',
        `${question.replace(/^\/\/ /, '')} ${use}`,
        '',
        '```kusto',
        ...query,
        '```',
        '',
      ].join('\n');
    })
    .join('\n');
}

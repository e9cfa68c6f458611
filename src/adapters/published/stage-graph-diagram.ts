import { STAGE_GRAPH, type StageDefinition } from '#domain/stage-graph.ts';

/** The stage graph for people: a Mermaid flowchart and a table, in Markdown. */
export function stageGraphMarkdown(): string {
  return [
    '```mermaid',
    'flowchart TB',
    '  landing[(Landing)] -- measurement.received --> validate',
    ...STAGE_GRAPH.map((definition) => `  ${nodeOf(definition)}`),
    ...STAGE_GRAPH.map(
      (definition, index) =>
        `  ${definition.stage} -- ${shortName(definition.succeededBy)} --> ${STAGE_GRAPH[index + 1]?.stage ?? 'shared([Shared])'}`,
    ),
    ...STAGE_GRAPH.filter((definition) => definition.compensation === 'move-to-error-zone').map(
      ({ stage }) => `  ${stage} -. no attempt left .-> error[(Error zone)]`,
    ),
    '```',
    '',
    'Double-walled stages run as tasks in Batch. Where no attempt is left and there is no arrow to the error zone, the measurement is `Failed` and its data stays where it is.',
    '',
    ...tableOf([
      ['stage', 'command', 'ends with', 'writes', 'deadline', 'attempts'],
      ...STAGE_GRAPH.map(rowOf),
    ]),
  ].join('\n');
}

function nodeOf({ stage, runsInBatch }: StageDefinition): string {
  return runsInBatch ? `${stage}[[${stage}]]` : `${stage}[${stage}]`;
}

function rowOf(definition: StageDefinition): readonly string[] {
  const { stage, command, succeededBy, output, deadlineSeconds, attemptsMax } = definition;
  return [
    stage,
    `\`${shortName(command)}\``,
    `\`${shortName(succeededBy)}\``,
    output === undefined ? '' : `${output.kind}, in zone ${output.zone}`,
    `${deadlineSeconds / 3600} h`,
    String(attemptsMax),
  ];
}

/** Columns as wide as their widest cell, as the formatter of this project leaves them. */
function tableOf([header = [], ...rows]: readonly (readonly string[])[]): readonly string[] {
  const widths = header.map((_, column) => Math.max(...[header, ...rows].map((row) => row[column]!.length)));
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column]!)).join(' | ')} |`;
  return [line(header), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)];
}

/** `landfall.measurement.validated.v1` → `measurement.validated`. */
function shortName(type: string): string {
  return type.replace(/^landfall\./, '').replace(/\.v\d+$/, '');
}

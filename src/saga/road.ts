import { type StageDefinition, stageGraphOf } from '#domain/stage-graph.ts';
import type { Stage } from '#domain/vocabulary.ts';
import type { IngestionState } from './ingestion-state.ts';

/** The stage graph as one measurement sees it: in the version its generation started with. */

type Graph = Pick<IngestionState, 'graphVersion'>;

export function firstStageOf(state: Graph): Stage {
  return stageGraphOf(state.graphVersion)[0]!.stage;
}

export function definitionIn(
  state: Graph,
  stage: Stage,
): StageDefinition & { readonly next: Stage | undefined } {
  const graph = stageGraphOf(state.graphVersion);
  const index = graph.findIndex((candidate) => candidate.stage === stage);
  const definition = graph[index];
  if (definition === undefined) throw new Error(`stage ${stage} is not in stage graph ${state.graphVersion}`);
  return { ...definition, next: graph[index + 1]?.stage };
}

export function stagesBefore(state: Graph, stage: Stage): readonly Stage[] {
  const stages = stageGraphOf(state.graphVersion).map((definition) => definition.stage);
  return stages.slice(0, stages.indexOf(stage));
}

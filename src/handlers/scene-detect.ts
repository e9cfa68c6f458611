import type { MetadataStore } from '#domain/ports/metadata-store.ts';
import { SceneDetectFacts } from '#domain/tasks/scene-detect-task.ts';
import type { BatchStage } from './batch-stage.ts';
import { type DerivedStagePorts, derivedStage, endFields, tableOfRole } from './derived-stage.ts';
import { stageEvent } from './stage-messages.ts';

export interface SceneDetectPorts extends DerivedStagePorts {
  readonly metadata: MetadataStore;
}

const SCENES_IN_EVENT_MAX = 50;

/** Searches the enriched table for scenes; their metadata goes to the metadata store, their data to a table. */
export function sceneDetectStage(
  ports: SceneDetectPorts,
): BatchStage<'landfall.measurement.scene-detect.v1'> {
  return derivedStage(
    {
      stage: 'scene-detect',
      command: 'landfall.measurement.scene-detect.v1',
      image: 'landfall/scene-detect',
      async prepare(_command, input, dataStreamId) {
        const enriched = tableOfRole(input, 'enriched');
        if (enriched !== undefined) return { own: { enriched, dataStreamId } };
        const message = 'there is no enriched table, because enrich was skipped: there is nothing to search';
        return { skip: { code: 'quality-insufficient', message } };
      },
      async end(_command, end) {
        const { measurementId, generation } = end.place;
        const scenes = end.run.tasks.flatMap((task) => SceneDetectFacts.parse(task.result.facts).scenes);
        // Before the event: who hears of the scenes finds them.
        await ports.metadata.writeScenes(
          scenes.map((scene) => ({
            ...scene,
            measurementId,
            generation,
            dataStreamId: end.dataStream.dataStreamId,
          })),
        );
        return [
          stageEvent('landfall.scenes.detected.v1', {
            ...endFields(end),
            sceneCount: scenes.length,
            scenes: scenes
              .slice(0, SCENES_IN_EVENT_MAX)
              .map(({ sceneId, type, startTime, endTime, confidence }) => ({
                sceneId,
                type,
                startTime,
                endTime,
                confidence,
              })),
          }),
        ];
      },
    },
    ports,
  );
}

import { join } from 'node:path';
import { columnFacts } from '#composition/extract-files.ts';
import type { TaskDefinition } from '#composition/task-tools.ts';
import { numbersOf, timesOf } from '#domain/column-values.ts';
import { sceneIdOf } from '#domain/identity.ts';
import type { TableColumn } from '#domain/ports/table-writer.ts';
import { NO_LOSS } from '#domain/recording-facts.ts';
import type { SceneColumn } from '#domain/scene-intervals.ts';
import { SCENE_RULES, SceneSearch, TimelinePeriod } from '#domain/scene-rules.ts';
import { TIME_COLUMN, VEHICLE_ACCELERATION, VEHICLE_SPEED, VEHICLE_YAW_RATE } from '#domain/table-columns.ts';
import { type SceneDetectFacts, SceneDetectTask } from '#domain/tasks/scene-detect-task.ts';
import { CoveredTime, rfc3339Of, startAndEndOf } from '#domain/times.ts';
import { SCENE_COLUMNS, sceneRows } from './scene-table.ts';

/** Searches the enriched table for scenes. */
export const detectScenesInTable: TaskDefinition<SceneDetectTask> = {
  image: 'landfall/scene-detect',
  configuration: SceneDetectTask,
  work: async (task, tools) => {
    const localPath = join(tools.scratchFolder, 'enriched.parquet');
    await tools.download(task.enriched, localPath);
    const { definition } = await tools.tableReader.describe(localPath);
    const inputs = inputColumns(definition.columns);
    const period = new TimelinePeriod();
    for await (const rows of tools.tableReader.read(localPath, [TIME_COLUMN.name]))
      period.look(timesOf([rows], 0));
    const wanted = [TIME_COLUMN.name, ...Object.values(inputs)];
    const search = new SceneSearch(SCENE_RULES, period.shortestStepNs);
    for await (const rows of tools.tableReader.read(localPath, wanted)) {
      const column = (name: string | undefined) =>
        name === undefined ? undefined : numbersOf([rows], wanted.indexOf(name));
      search.look({
        timestampsNs: timesOf([rows], 0),
        speed: column(inputs.speed),
        acceleration: column(inputs.acceleration),
        yawRate: column(inputs.yawRate),
      });
    }
    const scenes = search.finish().map((scene) => ({
      ...scene,
      sceneId: sceneIdOf(task.dataStreamId, scene.type, scene.startTimeNs),
    }));
    const table = await tools.tableWriter.open(join(tools.scratchFolder, 'scenes.parquet'), {
      columns: SCENE_COLUMNS,
      metadata: { measurementId: task.measurementId, enrichedSha256: task.enriched.sha256 },
    });
    await table.append(sceneRows(scenes));
    const covered = new CoveredTime();
    for (const { startTimeNs, endTimeNs } of scenes) covered.include([startTimeNs, endTimeNs]);
    const file = await tools.uploadTable(await table.close(), task.output.structured!, 'scenes.parquet', {
      mediaType: 'application/vnd.apache.parquet',
      sensor: 'structured',
      table: {
        name: 'scenes',
        role: 'scenes',
        schemaName: '',
        columns: SCENE_COLUMNS.map(columnFacts),
        ...startAndEndOf(covered),
      },
    });
    const facts: SceneDetectFacts = {
      scenes: scenes.map(({ startTimeNs, endTimeNs, evidence, ...scene }) => ({
        ...scene,
        evidence: { ...evidence },
        startTime: rfc3339Of(startTimeNs),
        endTime: rfc3339Of(endTimeNs),
      })),
      blindRules: SCENE_RULES.map((rule) => ({
        rule: rule.name,
        missing: rule.needs.filter((need) => inputs[need] === undefined),
      })).filter(({ missing }) => missing.length > 0),
    };
    return { outcome: scenes.length === 0 ? 'empty' : 'succeeded', files: [file], loss: NO_LOSS, facts };
  },
};

function inputColumns(columns: readonly TableColumn[]): Partial<Record<SceneColumn, string>> {
  const present = (name: string) => columns.some((column) => column.name === name);
  return {
    ...(present(VEHICLE_SPEED) ? { speed: VEHICLE_SPEED } : {}),
    ...(present(VEHICLE_ACCELERATION) ? { acceleration: VEHICLE_ACCELERATION } : {}),
    ...(present(VEHICLE_YAW_RATE) ? { yawRate: VEHICLE_YAW_RATE } : {}),
  };
}

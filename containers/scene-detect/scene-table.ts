import { textValues } from '#domain/column-values.ts';
import type { TableColumn, TableRows } from '#domain/ports/table-writer.ts';
import type { DetectedScene } from '#domain/scene-rules.ts';

export const SCENE_COLUMNS: readonly TableColumn[] = [
  { name: 'start_time', type: 'timestamp' },
  { name: 'end_time', type: 'timestamp' },
  { name: 'scene_id', type: 'string' },
  { name: 'type', type: 'string' },
  { name: 'confidence', type: 'float64' },
  { name: 'rule', type: 'string', description: 'name and version' },
  { name: 'evidence', type: 'string', description: 'JSON: what the rule saw' },
];

export function sceneRows(scenes: readonly (DetectedScene & { readonly sceneId: string })[]): TableRows {
  return {
    rowCount: scenes.length,
    columns: [
      { values: BigInt64Array.from(scenes, (scene) => scene.startTimeNs) },
      { values: BigInt64Array.from(scenes, (scene) => scene.endTimeNs) },
      { values: textValues(scenes.map((scene) => scene.sceneId)) },
      { values: textValues(scenes.map((scene) => scene.type)) },
      { values: Float64Array.from(scenes, (scene) => scene.confidence) },
      { values: textValues(scenes.map((scene) => `${scene.rule.name} ${scene.rule.version}`)) },
      { values: textValues(scenes.map((scene) => JSON.stringify(scene.evidence))) },
    ],
  };
}

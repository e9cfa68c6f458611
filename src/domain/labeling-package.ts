/**
 * What a labeling partner gets beside the frames: an OpenLABEL 1.0.0 skeleton (ASAM OpenLABEL, section 7) with the
 * scenes as actions on their frame intervals, and a COCO skeleton (images, no annotations yet). Pure: JSON out.
 */

import { rfc3339Of } from './times.ts';

export interface PackageFrame {
  /** Name of the image in the package. */
  readonly fileName: string;
  readonly timestampNs: bigint;
  readonly widthPixels: number;
  readonly heightPixels: number;
  /** The topic it comes from. */
  readonly sensor: string;
}

export interface PackageScene {
  readonly sceneId: string;
  readonly type: string;
  readonly startTimeNs: bigint;
  readonly endTimeNs: bigint;
  readonly confidence: number;
}

export interface PackageContent {
  readonly measurementId: string;
  readonly dataStreamId: string;
  /** In order of time. */
  readonly frames: readonly PackageFrame[];
  readonly scenes: readonly PackageScene[];
}

interface FrameInterval {
  readonly frame_start: number;
  readonly frame_end: number;
}

export function openLabelOf(content: PackageContent): object {
  const frames = Object.fromEntries(
    content.frames.map((frame, index) => [
      String(index),
      {
        frame_properties: {
          timestamp: rfc3339Of(frame.timestampNs),
          streams: { [streamNameOf(frame.sensor)]: { uri: frame.fileName } },
        },
      },
    ]),
  );
  const sensors = [...new Set(content.frames.map((frame) => frame.sensor))].toSorted();
  const streams = Object.fromEntries(
    sensors.map((sensor) => [streamNameOf(sensor), { type: 'camera', description: sensor }]),
  );
  const whole = content.frames.length === 0 ? [] : [{ frame_start: 0, frame_end: content.frames.length - 1 }];
  return {
    openlabel: {
      metadata: {
        schema_version: '1.0.0',
        name: content.measurementId,
        annotator: 'landfall',
        measurement_id: content.measurementId,
        data_stream_id: content.dataStreamId,
      },
      ...(sensors.length === 0 ? {} : { streams }),
      ...(whole.length === 0 ? {} : { frame_intervals: whole, frames }),
      actions: Object.fromEntries(
        content.scenes.map((scene) => [scene.sceneId, actionOf(scene, content.frames)]),
      ),
    },
  };
}

function actionOf(scene: PackageScene, frames: readonly PackageFrame[]): object {
  const interval = frameIntervalOf(scene, frames);
  return {
    name: `${scene.type} at ${rfc3339Of(scene.startTimeNs)}`,
    type: scene.type,
    ...(interval === undefined ? {} : { frame_intervals: [interval] }),
    action_data: {
      num: [{ name: 'confidence', val: scene.confidence }],
      text: [
        { name: 'start_time', val: rfc3339Of(scene.startTimeNs) },
        { name: 'end_time', val: rfc3339Of(scene.endTimeNs) },
      ],
    },
  };
}

/** The frames inside the scene, or undefined when it lies between two frames. */
function frameIntervalOf(scene: PackageScene, frames: readonly PackageFrame[]): FrameInterval | undefined {
  const first = frames.findIndex((frame) => frame.timestampNs >= scene.startTimeNs);
  const last = frames.findLastIndex((frame) => frame.timestampNs <= scene.endTimeNs);
  return first === -1 || last < first ? undefined : { frame_start: first, frame_end: last };
}

/** COCO "Object Detection" format: ids count from 1, in the order of the frames. */
export function cocoOf(content: PackageContent): object {
  return {
    info: { description: `Landfall measurement ${content.measurementId}`, version: '1.0' },
    licenses: [],
    images: content.frames.map((frame, index) => ({
      id: index + 1,
      file_name: frame.fileName,
      width: frame.widthPixels,
      height: frame.heightPixels,
      date_captured: rfc3339Of(frame.timestampNs),
    })),
    annotations: [],
    categories: [],
  };
}

/**
 * Frames worth labeling: at most `framesMax`, the ones inside scenes first, the rest evenly over the recording.
 * Keeps the order of time.
 */
export function selectFrames(
  frames: readonly { readonly timestampNs: bigint }[],
  scenes: readonly PackageScene[],
  framesMax: number,
): readonly number[] {
  const all = frames.map((_, index) => index);
  if (all.length <= framesMax) return all;
  const inScene = all.filter((index) =>
    scenes.some(
      (scene) =>
        scene.startTimeNs <= frames[index]!.timestampNs && frames[index]!.timestampNs <= scene.endTimeNs,
    ),
  );
  const fromScenes = thinned(inScene, Math.ceil(framesMax * 0.7));
  const chosen = new Set(fromScenes);
  const others = all.filter((index) => !chosen.has(index));
  return [...fromScenes, ...thinned(others, framesMax - fromScenes.length)].toSorted((a, b) => a - b);
}

function thinned(indices: readonly number[], countMax: number): readonly number[] {
  if (indices.length <= countMax) return indices;
  return Array.from(
    { length: countMax },
    (_, rank) => indices[Math.floor((rank * indices.length) / countMax)]!,
  );
}

function streamNameOf(sensor: string): string {
  return sensor.replace(/^\//, '').replaceAll('/', '_') || 'camera';
}

import { type DraftBlock, fields, layOut, linkedList, textBlock } from './draft-blocks.ts';
import { channelGroupOf, dataGroupOf, variableGroupOf } from './written-groups.ts';
import type { WriteOptions, WrittenGroup, WrittenRecording } from './written-recording.ts';
import {
  type ApartPlace,
  dataBlocks,
  type RecordLayout,
  recordLayout,
  signalDataOf,
  valueAt,
  writeRecord,
} from './written-records.ts';

const ID_BYTES = 64;
const VERSION = 411;
const NOTHING_FINISHED = 0x01 | 0x04 | 0x20;

/** A finalized, sorted file: one data group per channel group. The bytes come in the order of the file. */
export function* writeMdf4(recording: WrittenRecording, options: WriteOptions = {}): Generator<Uint8Array> {
  const dataGroups = linkedList(recording.groups, (group, next) => {
    const layout = recordLayout(group, 0);
    const signalData = new Map(layout.apart.map((place) => [place, signalDataOf(place, options)]));
    const channelGroup = channelGroupOf(group, layout, {
      recordId: 0,
      cycleCount: group.timestampsNs.length,
      next: undefined,
      dataOf: (place) => signalData.get(place),
    });
    const records = new Uint8Array(layout.sizeBytes * group.timestampsNs.length);
    const offsets = layout.apart.map(() => 0);
    for (let row = 0; row < group.timestampsNs.length; row++) {
      writeRecord(layout, recording.startTimeNs, row, offsets, records, row * layout.sizeBytes);
    }
    return dataGroupOf(next, channelGroup, dataBlocks('DT', records, layout.sizeBytes, options), 0);
  });
  yield identification(true, 0);
  yield* layOut(headerOf(recording, dataGroups), ID_BYTES);
}

/**
 * What a logger leaves behind when its power is cut: unfinalized, all groups mixed in one data group in the order of
 * time, values of variable length in groups of their own, no counters, and data to the end of the file.
 */
export function* writeUnfinalizedMdf4(recording: WrittenRecording): Generator<Uint8Array> {
  let recordId = 0;
  const groups = recording.groups.map((group) => {
    const layout = recordLayout(group, 1);
    recordId += 1;
    const own = recordId;
    const variable = layout.apart.map((place) => {
      recordId += 1;
      return { place, recordId, block: variableGroupOf(recordId) };
    });
    return { group, layout, recordId: own, variable };
  });
  let next: DraftBlock | undefined;
  for (const { group, layout, recordId: id, variable } of groups.toReversed()) {
    for (const { block } of variable.toReversed()) {
      next = { ...block, links: [next, ...block.links.slice(1)] };
      variable.find((entry) => entry.block === block)!.block = next;
    }
    const blockOf = (place: ApartPlace) => variable.find((entry) => entry.place === place)?.block;
    next = channelGroupOf(group, layout, { recordId: id, cycleCount: 0, next, dataOf: blockOf });
  }
  const data: DraftBlock = {
    id: 'DT',
    links: [],
    data: mixedRecords(recording, groups),
    claimedDataBytes: 0,
  };
  yield identification(false, NOTHING_FINISHED);
  yield* layOut(headerOf(recording, dataGroupOf(undefined, next, data, 1)), ID_BYTES, data);
}

interface MixedGroup {
  readonly group: WrittenGroup;
  readonly layout: RecordLayout;
  readonly recordId: number;
  readonly variable: { readonly place: ApartPlace; readonly recordId: number; block: DraftBlock }[];
}

function mixedRecords(recording: WrittenRecording, groups: readonly MixedGroup[]): Uint8Array {
  const rows = groups.flatMap((group) =>
    Array.from(group.group.timestampsNs, (timeNs, row) => ({ group, row, timeNs })),
  );
  rows.sort((a, b) => (a.timeNs < b.timeNs ? -1 : Number(a.timeNs > b.timeNs)));
  const sizes = rows.map(({ group, row }) =>
    group.variable.reduce((sum, { place }) => sum + 5 + valueAt(place, row).length, group.layout.sizeBytes),
  );
  const bytes = new Uint8Array(sizes.reduce((sum, size) => sum + size, 0));
  const view = new DataView(bytes.buffer);
  const offsets = new Map(groups.map((group) => [group, group.variable.map(() => 0)]));
  let at = 0;
  for (const { group, row } of rows) {
    for (const { place, recordId } of group.variable) {
      const value = valueAt(place, row);
      view.setUint8(at, recordId);
      view.setUint32(at + 1, value.length, true);
      bytes.set(value, at + 5);
      at += 5 + value.length;
    }
    view.setUint8(at, group.recordId);
    writeRecord(group.layout, recording.startTimeNs, row, offsets.get(group)!, bytes, at);
    at += group.layout.sizeBytes;
  }
  return bytes;
}

function identification(finalized: boolean, unfinishedFlags: number): Uint8Array {
  const bytes = new Uint8Array(ID_BYTES);
  bytes.set(new TextEncoder().encode(`${finalized ? 'MDF     ' : 'UnFinMF '}4.11    Landfall`));
  const view = new DataView(bytes.buffer);
  view.setUint16(28, VERSION, true);
  view.setUint16(60, unfinishedFlags, true);
  return bytes;
}

function headerOf(recording: WrittenRecording, firstDataGroup: DraftBlock | undefined): DraftBlock {
  const time: (view: DataView) => void = (view) => {
    view.setBigUint64(0, recording.startTimeNs, true);
    view.setInt16(8, recording.timeZoneMinutes ?? 0, true);
    view.setInt16(10, recording.daylightSavingMinutes ?? 0, true);
    view.setUint8(12, 2);
  };
  const history: DraftBlock = {
    id: 'FH',
    links: [undefined, textBlock(HISTORY_COMMENT, 'MD')],
    data: fields(16, time),
  };
  const attachments = linkedList(recording.attachments ?? [], ({ name, mediaType, bytes }, next) => ({
    id: 'AT',
    links: [next, textBlock(name), textBlock(mediaType), undefined],
    data: fields(40 + bytes.length, (view) => {
      view.setUint16(0, 1, true);
      view.setBigUint64(24, BigInt(bytes.length), true);
      view.setBigUint64(32, BigInt(bytes.length), true);
      new Uint8Array(view.buffer).set(bytes, 40);
    }),
  }));
  const comment = textBlock(headerComment(recording), 'MD');
  return {
    id: 'HD',
    links: [firstDataGroup, history, undefined, attachments, undefined, comment],
    data: fields(32, time),
  };
}

const HISTORY_COMMENT =
  '<FHcomment><TX>written</TX><tool_id>Landfall</tool_id><tool_vendor>Landfall</tool_vendor>' +
  '<tool_version>1</tool_version></FHcomment>';

function headerComment({ comment = '', properties = {} }: WrittenRecording): string {
  const entries = Object.entries(properties).map(
    ([name, value]) => `<e name="${escapeXml(name)}">${escapeXml(value)}</e>`,
  );
  const common = entries.length === 0 ? '' : `<common_properties>${entries.join('')}</common_properties>`;
  return `<HDcomment><TX>${escapeXml(comment)}</TX>${common}</HDcomment>`;
}

function escapeXml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}

import { shareIdOf } from '#domain/identity.ts';
import type { PartnerShare } from '#domain/ports/partner-share.ts';
import { referenceOf } from '#domain/result-manifest.ts';
import { planPackage } from '#domain/stages/share.ts';
import type { BatchStage } from './batch-stage.ts';
import { readDataStreamManifest } from './data-stream-manifest.ts';
import { type DerivedStagePorts, derivedStage, endFields } from './derived-stage.ts';
import { stageEvent } from './stage-messages.ts';

export interface SharePorts extends DerivedStagePorts {
  readonly partnerShare: PartnerShare;
  /** Who labels; one partner for all measurements until agreements say otherwise. */
  readonly partner: string;
  readonly offerHours: number;
  readonly framesMax: number;
}

/** Offers a labeling package to the partner. */
export function shareStage(ports: SharePorts): BatchStage<'landfall.measurement.share.v1'> {
  return derivedStage(
    {
      stage: 'share',
      command: 'landfall.measurement.share.v1',
      image: 'landfall/package',
      async prepare(command, scenes, dataStreamId) {
        const { manifest } = command.data.extracted;
        const extracted =
          manifest === undefined ? undefined : await readDataStreamManifest(ports.blobs, manifest);
        return { own: { ...planPackage(extracted, scenes), dataStreamId, framesMax: ports.framesMax } };
      },
      async end(_command, end) {
        const [file] = end.run.tasks.flatMap((task) => task.result.files);
        if (file === undefined) throw new Error('a package task always writes its package');
        const { measurementId, attempt } = end.place;
        const { dataStreamId } = end.dataStream;
        // From the end of the task, not from now: the same offer, whoever says it again.
        const offeredAt = end.run.tasks[0]!.result.endedAt;
        const share = {
          shareId: shareIdOf(dataStreamId, ports.partner, attempt),
          partner: ports.partner,
          package: referenceOf(file),
          offeredAt,
          expiresAt: new Date(new Date(offeredAt).getTime() + ports.offerHours * 3_600_000).toISOString(),
        };
        await ports.partnerShare.offer({
          shareId: share.shareId,
          partner: share.partner,
          measurementId,
          package: share.package,
          expiresAt: new Date(share.expiresAt),
        });
        return [stageEvent('landfall.measurement.shared.v1', { ...endFields(end), share })];
      },
    },
    ports,
  );
}

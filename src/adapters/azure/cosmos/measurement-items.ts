import type { OutgoingMessage } from '#domain/ports/message-sender.ts';
import type { SceneDocument } from '#domain/ports/metadata-store.ts';
import type { MetadataDocument, OutboxEntry } from '#domain/ports/saga-store.ts';
import { idOfText } from './cosmos-database.ts';

/** How things lie in the container `measurements`. `type` tells them apart; what is not ours lies one level below. */
export interface SagaItem<State> {
  readonly id: 'saga';
  readonly measurementId: string;
  readonly type: 'saga';
  readonly state: State;
}

export interface OutboxItem {
  readonly id: string;
  readonly measurementId: string;
  readonly type: 'outbox';
  readonly dispatched: boolean;
  readonly message: Omit<OutgoingMessage, 'enqueueAt'> & { readonly enqueueAt?: string };
}

export interface MetadataItem {
  readonly id: string;
  readonly measurementId: string;
  readonly type: 'document';
  readonly kind: MetadataDocument['kind'];
  readonly document: MetadataDocument;
}

export interface SceneItem {
  readonly id: string;
  readonly measurementId: string;
  readonly type: 'scene';
  readonly scene: SceneDocument;
}

export function outboxItem({ id, measurementId, message }: OutboxEntry): OutboxItem {
  const { enqueueAt, ...rest } = message;
  return {
    id: idOfText(id),
    measurementId,
    type: 'outbox',
    dispatched: false,
    message: enqueueAt === undefined ? rest : { ...rest, enqueueAt: enqueueAt.toISOString() },
  };
}

export function outboxEntryOf({ id, measurementId, message }: OutboxItem): OutboxEntry {
  const { enqueueAt, ...rest } = message;
  return {
    id,
    measurementId,
    message: enqueueAt === undefined ? rest : { ...rest, enqueueAt: new Date(enqueueAt) },
  };
}

export function metadataIdOf(kind: MetadataDocument['kind'], id: string): string {
  return `${kind}:${idOfText(id)}`;
}

export function metadataItem(document: MetadataDocument): MetadataItem {
  return {
    id: metadataIdOf(document.kind, document.id),
    measurementId: document.measurementId,
    type: 'document',
    kind: document.kind,
    document,
  };
}

import type { Container } from '@azure/cosmos';
import type { MetadataStore, SceneDocument } from '#domain/ports/metadata-store.ts';
import type { MetadataDocument } from '#domain/ports/saga-store.ts';
import { type CosmosDatabase, collect, idOfText, queryItems, readItem, request } from './cosmos-database.ts';
import { type MetadataItem, metadataIdOf, type SceneItem } from './measurement-items.ts';

const FILTERS = ['fleet', 'vin', 'state'] as const;

export class CosmosMetadataStore implements MetadataStore {
  readonly #container: Container;

  constructor(database: CosmosDatabase) {
    this.#container = database.container('measurements');
  }

  async measurement(measurementId: string): Promise<MetadataDocument | undefined> {
    return this.#document(measurementId, 'measurement', measurementId);
  }

  /** Through the index; newest first. Free search belongs to the search index. */
  async measurements(
    filter: { readonly fleet?: string; readonly vin?: string; readonly state?: string },
    limit: number,
  ): Promise<readonly MetadataDocument[]> {
    const given = FILTERS.filter((name) => filter[name] !== undefined);
    const conditions = ["c.kind = 'measurement'", ...given.map((name) => `c.document.${name} = @${name}`)];
    const items = await collect(
      queryItems<MetadataItem>(this.#container, {
        query: `SELECT * FROM c WHERE ${conditions.join(' AND ')} ORDER BY c.document.updatedAt DESC`,
        parameters: given.map((name) => ({ name: `@${name}`, value: filter[name] ?? null })),
      }),
      limit,
    );
    return items.map(({ document }) => document);
  }

  async documents(
    measurementId: string,
    kind: MetadataDocument['kind'],
  ): Promise<readonly MetadataDocument[]> {
    const items = await collect(
      queryItems<MetadataItem>(
        this.#container,
        { query: 'SELECT * FROM c WHERE c.kind = @kind', parameters: [{ name: '@kind', value: kind }] },
        measurementId,
      ),
    );
    return items.map(({ document }) => document);
  }

  async dataStream(measurementId: string, dataStreamId: string): Promise<MetadataDocument | undefined> {
    return this.#document(measurementId, 'data-stream', dataStreamId);
  }

  async scenes(measurementId: string): Promise<readonly SceneDocument[]> {
    const items = await collect(
      queryItems<SceneItem>(
        this.#container,
        { query: "SELECT * FROM c WHERE c.type = 'scene'" },
        measurementId,
      ),
    );
    return items.map(({ scene }) => scene).toSorted((a, b) => a.startTime.localeCompare(b.startTime));
  }

  async writeScenes(scenes: readonly SceneDocument[]): Promise<void> {
    for (const scene of scenes) {
      const { sceneId, measurementId } = scene;
      const item = {
        id: `scene:${idOfText(sceneId)}`,
        measurementId,
        type: 'scene',
        scene,
      } satisfies SceneItem;
      await request(`Scene ${sceneId} of ${measurementId} could not be written`, () =>
        this.#container.items.upsert(item),
      );
    }
  }

  async #document(
    measurementId: string,
    kind: MetadataDocument['kind'],
    id: string,
  ): Promise<MetadataDocument | undefined> {
    const item = await readItem<MetadataItem>(this.#container, metadataIdOf(kind, id), measurementId);
    return item?.document;
  }
}

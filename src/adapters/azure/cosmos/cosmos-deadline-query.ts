import type { Container } from '@azure/cosmos';
import type { DeadlineQuery } from '#domain/ports/saga-store.ts';
import { type CosmosDatabase, collect, queryItems } from './cosmos-database.ts';
import type { MetadataItem } from './measurement-items.ts';

type Overdue = Awaited<ReturnType<DeadlineQuery['overdue']>>[number];

/**
 * Deadlines stand in the measurement's document, because they must change in the same batch as the saga. The sweep
 * asks all partitions, but only the index on `dueAt`: it costs a few request units per physical partition (of up to
 * 50 GB) and per overdue measurement, whatever the number of measurements. One process asks, twice a minute.
 */
export class CosmosDeadlineQuery implements DeadlineQuery {
  readonly #container: Container;

  constructor(database: CosmosDatabase) {
    this.#container = database.container('measurements');
  }

  async overdue(now: Date, limit: number): Promise<readonly Overdue[]> {
    const items = await collect(
      queryItems<MetadataItem>(this.#container, {
        query: "SELECT * FROM c WHERE c.kind = 'measurement' AND c.document.dueAt <= @now",
        parameters: [{ name: '@now', value: now.toISOString() }],
      }),
      limit,
    );
    return items.map(({ document }) => {
      const { due, fleet, region } = document as unknown as DueDocument;
      return { measurementId: document.measurementId, fleet, region, ...due };
    });
  }
}

interface DueDocument {
  readonly due: Pick<Overdue, 'generation' | 'stage' | 'attempt'>;
  readonly fleet: string;
  readonly region: string;
}

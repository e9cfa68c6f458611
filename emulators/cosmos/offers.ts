// Offers: how clients read and set provisioned throughput. It limits nothing here; 429 is ordered as a fault.
// Source: "Azure Cosmos DB: REST API reference", offers.
import type { Answer, CosmosRequest } from './answer.ts';
import { listAnswer, methodRefusal } from './catalogue.ts';
import { isJsonObject, type Json, type JsonObject } from './json.ts';
import { queryResources } from './queries.ts';
import { badRequest, CosmosRefusal } from './refusal.ts';
import type { Resource, Store } from './store.ts';

/** Serves `/offers` (list, query) and `/offers/{id}` (read, replace). One offer per container; its id is the container's. */
export function answerOffers(store: Store, request: CosmosRequest): Answer {
  const offers = [...store.allContainers()].map((container) => ({
    container,
    offer: offerOf(container, store.throughput(container)),
  }));
  const [, id] = request.segments;
  if (id === undefined) {
    const all = offers.map(({ offer }) => offer);
    return listAnswer(
      '',
      'Offers',
      request.method === 'POST' ? queryResources(request.bodyText, all, request.nowMs) : all,
    );
  }
  const found = offers.find(({ offer }) => offer['id'] === id);
  if (found === undefined) throw new CosmosRefusal(404, `There is no offer ${id}.`);
  if (request.method === 'GET') {
    return { status: 200, body: JSON.stringify(found.offer), requestCharge: 1 };
  }
  if (request.method !== 'PUT') throw methodRefusal(request);
  store.setThroughput(found.container, throughputOf(request.bodyText));
  const replaced = offerOf(found.container, store.throughput(found.container));
  return { status: 200, body: JSON.stringify(replaced), requestCharge: 9.9 };
}

function offerOf(container: Resource, throughput: number): JsonObject {
  const { resourceId } = container;
  return {
    id: resourceId,
    _rid: resourceId,
    _self: `offers/${resourceId}/`,
    _etag: `"${throughput}"`,
    _ts: container.body['_ts'] ?? 0,
    offerVersion: 'V2',
    resource: `${container.path}/`,
    offerType: 'Invalid',
    offerResourceId: resourceId,
    content: { offerThroughput: throughput, offerIsRUPerMinuteThroughputEnabled: false },
  };
}

function throughputOf(bodyText: string): number {
  const body = JSON.parse(bodyText) as Json;
  const content = isJsonObject(body) ? body['content'] : undefined;
  const throughput = isJsonObject(content) ? content['offerThroughput'] : undefined;
  if (typeof throughput !== 'number' || throughput < 400 || throughput % 100 !== 0) {
    throw badRequest(
      `The throughput ${JSON.stringify(throughput)} is not allowed: 400 or more, in steps of 100.`,
    );
  }
  return throughput;
}

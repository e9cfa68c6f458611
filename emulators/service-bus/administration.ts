/** The Atom API that ServiceBusAdministrationClient speaks: list, read, create, change and delete entities and rules. */
import {
  type AtomResource,
  entityResource,
  entryDocument,
  errorDocument,
  feedDocument,
  namespaceResource,
  ruleResource,
} from './atom-documents.ts';
import { readAtomRequest } from './atom-requests.ts';
import type { Broker } from './broker.ts';
import type { Entity, SubscriptionEntity, TopicEntity } from './entity.ts';
import type { EntityRegistry } from './entity-registry.ts';
import { checkEntraToken } from './entra-token.ts';
import { malformed, ServiceBusError } from './service-bus-error.ts';
import { type AccessKey, checkToken, type TokenVerdict } from './shared-access-signature.ts';

const DEFAULT_PAGE_SIZE = 100;

export interface AdministrationRequest {
  readonly method: string;
  /** Decoded, without slashes at its ends. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly baseUrl: string;
  readonly authorization: string | undefined;
  /** `If-Match: *`: change what is there, instead of creating. */
  readonly isUpdate: boolean;
  readonly body: string;
}

export interface AdministrationAnswer {
  readonly status: number;
  readonly xml: string;
}

export class Administration {
  readonly #registry: EntityRegistry;
  readonly #broker: Broker;
  readonly #accessKey: AccessKey;
  readonly #takesEntraTokens: boolean;
  readonly #namespaceName: string;
  readonly #now: () => number;

  constructor(parts: {
    registry: EntityRegistry;
    broker: Broker;
    accessKey: AccessKey;
    tls: object | undefined;
    namespaceName: string;
    now: () => number;
  }) {
    this.#registry = parts.registry;
    this.#broker = parts.broker;
    this.#accessKey = parts.accessKey;
    this.#takesEntraTokens = parts.tls !== undefined;
    this.#namespaceName = parts.namespaceName;
    this.#now = parts.now;
  }

  answer(request: AdministrationRequest): AdministrationAnswer {
    try {
      const verdict = this.#verdictOn(request.authorization ?? '');
      if ('fault' in verdict) throw new ServiceBusError('amqp:unauthorized-access', 401, verdict.fault);
      return this.#route(request);
    } catch (error) {
      if (!(error instanceof ServiceBusError)) throw error;
      return { status: error.statusCode, xml: errorDocument(error.statusCode, error.message) };
    }
  }

  #verdictOn(authorization: string): TokenVerdict {
    const bearer = this.#takesEntraTokens ? /^Bearer (.+)$/.exec(authorization)?.[1] : undefined;
    return bearer === undefined
      ? checkToken(authorization, this.#accessKey, this.#now())
      : checkEntraToken(bearer, this.#now());
  }

  #route(request: AdministrationRequest): AdministrationAnswer {
    const { path } = request;
    const lowerPath = path.toLowerCase();
    if (lowerPath === '$namespaceinfo') return entry(request, namespaceResource(this.#namespaceName));
    if (lowerPath === '$resources/queues') return feed(request, this.#all('queue').map(entityResource));
    if (lowerPath === '$resources/topics') return feed(request, this.#all('topic').map(entityResource));
    const rule = /^(?<subscription>.+\/subscriptions\/[^/]+)\/rules(?:\/(?<name>[^/]+))?$/i.exec(
      path,
    )?.groups;
    if (rule !== undefined)
      return this.#onRule(request, this.#subscription(rule['subscription']!), rule['name']);
    const subscription = /^(?<topic>.+)\/subscriptions(?:\/(?<name>[^/]+))?$/i.exec(path)?.groups;
    if (subscription !== undefined && subscription['name'] === undefined) {
      const topic = this.#topic(subscription['topic']!);
      return feed(request, [...topic.subscriptions.values()].map(entityResource));
    }
    return this.#onEntity(request, subscription?.['topic'], subscription?.['name'] ?? path);
  }

  #onEntity(
    request: AdministrationRequest,
    topicPath: string | undefined,
    name: string,
  ): AdministrationAnswer {
    const existing = this.#registry.find(request.path);
    if (request.method === 'PUT') return this.#putEntity(request, existing, topicPath, name);
    if (existing === undefined) throw absent(request.path);
    if (request.method === 'DELETE') {
      this.#registry.delete(existing);
      return { status: 200, xml: '' };
    }
    return entry(request, entityResource(existing));
  }

  #putEntity(
    request: AdministrationRequest,
    existing: Entity | undefined,
    topicPath: string | undefined,
    name: string,
  ): AdministrationAnswer {
    checkExistence(request, existing);
    const requested = readAtomRequest(request.body, name);
    if (requested.kind === 'rule' || (requested.kind === 'subscription') !== (topicPath !== undefined)) {
      throw malformed(`A ${requested.kind} cannot be put at '${request.path}'.`);
    }
    if (existing !== undefined && existing.kind !== requested.kind) {
      throw malformed(`'${request.path}' is a ${existing.kind}, not a ${requested.kind}.`);
    }
    if (requested.kind !== 'topic') {
      this.#checkForward(requested.description.forwardTo);
      this.#checkForward(requested.description.forwardDeadLettersTo);
    }
    const entity = this.#put(requested, topicPath, existing);
    if (entity.kind !== 'topic') this.#broker.forwardStored(entity, this.#now());
    return entry(request, entityResource(entity), existing === undefined ? 201 : 200);
  }

  #put(
    requested: Exclude<ReturnType<typeof readAtomRequest>, { kind: 'rule' }>,
    topicPath: string | undefined,
    existing: Entity | undefined,
  ): Entity {
    if (requested.kind === 'queue') return this.#registry.putQueue(requested.description);
    if (requested.kind === 'topic') return this.#registry.putTopic(requested.description);
    // An update of a subscription leaves its rules alone.
    const rules =
      existing?.kind === 'subscription' ? existing.description.rules : requested.description.rules;
    return this.#registry.putSubscription(this.#topic(topicPath!), { ...requested.description, rules });
  }

  #onRule(
    request: AdministrationRequest,
    subscription: SubscriptionEntity,
    name: string | undefined,
  ): AdministrationAnswer {
    if (name === undefined) {
      return feed(
        request,
        subscription.rules.map((rule) => ruleResource(subscription, rule)),
      );
    }
    const find = () => subscription.rules.find((rule) => rule.description.name === name);
    const existing = find();
    if (request.method === 'PUT') {
      checkExistence(request, existing);
      const requested = readAtomRequest(request.body, name);
      if (requested.kind !== 'rule')
        throw malformed(`A ${requested.kind} cannot be put at '${request.path}'.`);
      if (existing !== undefined) this.#registry.removeRule(subscription, name);
      this.#registry.addRule(subscription, requested.description);
      return entry(request, ruleResource(subscription, find()!), existing === undefined ? 201 : 200);
    }
    if (existing === undefined) throw absent(request.path);
    if (request.method === 'DELETE') {
      this.#registry.removeRule(subscription, name);
      return { status: 200, xml: '' };
    }
    return entry(request, ruleResource(subscription, existing));
  }

  #checkForward(target: string | undefined): void {
    const entity = target === undefined ? undefined : this.#registry.find(target);
    if (target === undefined || entity?.kind === 'queue' || entity?.kind === 'topic') return;
    throw malformed(
      `'${target}' is not a queue or topic, so nothing can be forwarded to it. Create it first.`,
    );
  }

  #all(kind: Entity['kind']): Entity[] {
    return [...this.#registry.all()].filter((entity) => entity.kind === kind);
  }

  #topic(path: string): TopicEntity {
    const entity = this.#registry.find(path);
    if (entity?.kind !== 'topic') throw absent(path);
    return entity;
  }

  #subscription(path: string): SubscriptionEntity {
    const entity = this.#registry.find(path);
    if (entity?.kind !== 'subscription') throw absent(path);
    return entity;
  }
}

function checkExistence(request: AdministrationRequest, existing: unknown): void {
  if (existing !== undefined && !request.isUpdate) {
    throw new ServiceBusError(
      'com.microsoft:entity-already-exists',
      409,
      `SubCode=40900. Conflict. The messaging entity '${request.path}' already exists.`,
    );
  }
  if (existing === undefined && request.isUpdate) throw absent(request.path);
}

function absent(path: string): ServiceBusError {
  return new ServiceBusError(
    'amqp:not-found',
    404,
    `SubCode=40400. Not Found. Entity '${path}' was not found.`,
  );
}

function entry(request: AdministrationRequest, resource: AtomResource, status = 200): AdministrationAnswer {
  return { status, xml: entryDocument(request.baseUrl, resource) };
}

function feed(request: AdministrationRequest, resources: readonly AtomResource[]): AdministrationAnswer {
  const skip = Number(request.query.get('$skip') ?? 0);
  const top = Number(request.query.get('$top') ?? DEFAULT_PAGE_SIZE);
  const next = skip + top;
  return {
    status: 200,
    xml: feedDocument(request.baseUrl, {
      path: request.path,
      resources: resources.slice(skip, next),
      nextQuery: next < resources.length ? `$skip=${next}&$top=${top}` : undefined,
    }),
  };
}

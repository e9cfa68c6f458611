/** Faults on demand: what tests ask the emulator to do wrong, counted and in order, never by chance. */
import { z } from 'zod';

export const faultSchema = z.strictObject({
  /**
   * `latency` waits before it does what was asked; `serverBusy` refuses it; `lostAnswer` does it and says nothing;
   * `dropConnection` does it and cuts the connection instead of answering.
   */
  kind: z.enum(['latency', 'serverBusy', 'lostAnswer', 'dropConnection']),
  operation: z.enum(['attach', 'send', 'settle', 'management', 'any']).default('any'),
  /** Path of the entity, such as `landing` or `commands/Subscriptions/validate`; all entities when left out. */
  entity: z.string().optional(),
  /** How long `latency` waits. */
  milliseconds: z.int().min(0).max(600_000).default(0),
  /** How many operations pass untouched first. */
  skip: z.int().min(0).default(0),
  /** How many operations are hit; `null` is every one until the faults are cleared. */
  times: z.int().min(1).nullable().default(1),
});

export type FaultRequest = z.input<typeof faultSchema>;
export type FaultOperation = 'attach' | 'send' | 'settle' | 'management';

/** What is to go wrong with one operation. */
export interface FaultEffect {
  readonly delayMs: number;
  readonly isBusy: boolean;
  readonly losesAnswer: boolean;
  readonly dropsConnection: boolean;
}

interface ArmedFault {
  readonly request: z.output<typeof faultSchema>;
  passesLeft: number;
  hitsLeft: number;
}

export class Faults {
  #armed: ArmedFault[] = [];

  add(request: z.output<typeof faultSchema>): void {
    this.#armed.push({
      request,
      passesLeft: request.skip,
      hitsLeft: request.times ?? Number.POSITIVE_INFINITY,
    });
  }

  clear(): void {
    this.#armed = [];
  }

  /** Faults still to come. */
  pending(): readonly { readonly request: FaultRequest; readonly hitsLeft: number | null }[] {
    return this.#armed.map(({ request, hitsLeft }) => ({
      request,
      hitsLeft: hitsLeft === Number.POSITIVE_INFINITY ? null : hitsLeft,
    }));
  }

  /** The effect on the operation that happens now, or `undefined`, which is the rule. */
  strike(operation: FaultOperation, entityPath: string): FaultEffect | undefined {
    if (this.#armed.length === 0) return undefined;
    const hits = this.#armed.filter((fault) => concerns(fault, operation, entityPath)).filter(isHit);
    this.#armed = this.#armed.filter((fault) => fault.hitsLeft > 0);
    if (hits.length === 0) return undefined;
    const kinds = hits.map((fault) => fault.request.kind);
    return {
      delayMs: hits
        .filter((fault) => fault.request.kind === 'latency')
        .reduce((sum, fault) => sum + fault.request.milliseconds, 0),
      isBusy: kinds.includes('serverBusy'),
      losesAnswer: kinds.includes('lostAnswer'),
      dropsConnection: kinds.includes('dropConnection'),
    };
  }
}

function concerns({ request }: ArmedFault, operation: FaultOperation, entityPath: string): boolean {
  const isOperation = request.operation === 'any' || request.operation === operation;
  return (
    isOperation && (request.entity === undefined || request.entity.toLowerCase() === entityPath.toLowerCase())
  );
}

function isHit(fault: ArmedFault): boolean {
  if (fault.passesLeft > 0) {
    fault.passesLeft--;
    return false;
  }
  fault.hitsLeft--;
  return true;
}

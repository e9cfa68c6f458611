import type { ServiceCalls } from '#domain/ports/telemetry.ts';
import type { ServiceCall } from '#domain/service-call.ts';

/** Keeps what adapters say of their calls. */
export class SaidCalls implements ServiceCalls {
  #said: ServiceCall[] = [];

  call(call: ServiceCall): void {
    this.#said.push(call);
  }

  /** What was said since the last look. */
  take(): readonly ServiceCall[] {
    const said = this.#said;
    this.#said = [];
    return said;
  }
}

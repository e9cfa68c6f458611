import type { Span } from './syntax.ts';

interface QueryErrorDetail {
  readonly severity: 'Error';
  readonly location?: Span;
  readonly code: string | number;
  readonly message: string;
}

/** A query the service does not accept. `detail` is what it answers: SC1001 is syntax, SC2001 an unknown name. */
export class QueryRefusal extends Error {
  readonly detail: QueryErrorDetail;

  constructor(code: string | number, message: string, span?: Span) {
    super(message);
    this.name = 'QueryRefusal';
    const location = span === undefined ? {} : { location: { start: span.start, end: span.end } };
    this.detail = { severity: 'Error', ...location, code, message };
  }

  /** The JSON text the service puts into its error message. */
  toJsonText(): string {
    return JSON.stringify({ errors: [this.detail] });
  }
}

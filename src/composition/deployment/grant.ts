/** A row of bicep/access.json, which Bicep makes the assignments from and the documentation is generated from. */
export interface Grant {
  readonly identity: string;
  readonly role: string;
  /** What the role is on: `storage`, `serviceBus`, `cosmos`, …; a key of the table of scopes. */
  readonly service: string;
  /** For `storage`: the zones whose accounts are meant. */
  readonly zones?: readonly string[];
  /** For `serviceBus`: one queue, where it is not the whole namespace. */
  readonly queue?: string;
  readonly why: string;
}

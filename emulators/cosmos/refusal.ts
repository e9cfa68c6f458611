/** Names of statuses in error bodies. Source: "HTTP status codes for Azure Cosmos DB". */
const STATUS_NAMES: Readonly<Record<number, string>> = {
  400: 'BadRequest',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'NotFound',
  405: 'MethodNotAllowed',
  409: 'Conflict',
  410: 'Gone',
  412: 'PreconditionFailed',
  413: 'RequestEntityTooLarge',
  424: 'FailedDependency',
  429: 'TooManyRequests',
  503: 'ServiceUnavailable',
};

/** A request that gets an error answer. `substatus` tells clients which error of the same status it is. */
export class CosmosRefusal extends Error {
  readonly status: number;
  readonly substatus: number;
  /** Part of the error body of a query that only a planning client can run. */
  readonly additionalErrorInfo: string | undefined;

  constructor(status: number, message: string, substatus = 0, additionalErrorInfo?: string) {
    super(message);
    this.name = 'CosmosRefusal';
    this.status = status;
    this.substatus = substatus;
    this.additionalErrorInfo = additionalErrorInfo;
  }

  /** The JSON body of the answer. */
  bodyText(activityId: string): string {
    // Clients look for JSON behind "Message: ", and a text that is JSON already is not wrapped again.
    const detail = this.message.startsWith('{') ? this.message : JSON.stringify({ Errors: [this.message] });
    return JSON.stringify({
      code: STATUS_NAMES[this.status] ?? 'InternalServerError',
      message: `Message: ${detail}\r\nActivityId: ${activityId}`,
      ...(this.additionalErrorInfo === undefined ? {} : { additionalErrorInfo: this.additionalErrorInfo }),
    });
  }
}

export const badRequest = (message: string, substatus = 0) => new CosmosRefusal(400, message, substatus);

export const itemNotFound = () =>
  new CosmosRefusal(404, 'Entity with the specified id does not exist in the system.');

export const itemExists = () =>
  new CosmosRefusal(409, 'Entity with the specified id already exists in the system.');

export const preconditionFailed = () =>
  new CosmosRefusal(
    412,
    'Operation cannot be performed because one of the specified precondition is not met.',
  );

export const requestTooLarge = () => new CosmosRefusal(413, 'Request size is too large.');

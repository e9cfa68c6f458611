// A refusal in the words of the Batch REST API. "Batch status and error codes".

export class BatchError extends Error {
  readonly status: number;
  readonly code: string;
  readonly values: readonly { readonly key: string; readonly value: string }[];

  constructor(status: number, code: string, message: string, values: BatchError['values'] = []) {
    super(message);
    this.name = 'BatchError';
    this.status = status;
    this.code = code;
    this.values = values;
  }
}

export function invalidValue(name: string, reason: string): BatchError {
  return new BatchError(
    400,
    'InvalidPropertyValue',
    'The value provided for one of the properties in the request body is invalid.',
    [
      { key: 'PropertyName', value: name },
      { key: 'Reason', value: reason },
    ],
  );
}

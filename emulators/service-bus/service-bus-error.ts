/** A refusal in the words of Service Bus: an AMQP error condition, and the HTTP-like status the management node uses. */
export class ServiceBusError extends Error {
  override readonly name = 'ServiceBusError';
  readonly condition: string;
  readonly statusCode: number;

  constructor(condition: string, statusCode: number, message: string) {
    super(message);
    this.condition = condition;
    this.statusCode = statusCode;
  }

  /** As an AMQP error; the third field is never left out, because the Python SDK reads all three. */
  asAmqpError(): { condition: string; description: string; info: Record<string, unknown> } {
    return { condition: this.condition, description: this.message, info: {} };
  }
}

/** The SDKs recognise a missing entity by this very text, not by the condition alone. */
export function entityNotFound(path: string): ServiceBusError {
  return new ServiceBusError(
    'amqp:not-found',
    404,
    `The messaging entity '${path}' could not be found. To know more visit https://aka.ms/sbResourceMgrExceptions.`,
  );
}

export function messageLockLost(): ServiceBusError {
  return new ServiceBusError(
    'com.microsoft:message-lock-lost',
    410,
    'The lock supplied is invalid. Either the lock expired, or the message has already been removed from the queue.',
  );
}

export function messageNotFound(sequenceNumber: number, path: string): ServiceBusError {
  return new ServiceBusError(
    'com.microsoft:message-not-found',
    404,
    `The message with sequence number ${sequenceNumber} was not found in '${path}', or is not in the state that was asked for.`,
  );
}

export function messageTooLarge(sizeBytes: number, limitBytes: number): ServiceBusError {
  return new ServiceBusError(
    'amqp:link:message-size-exceeded',
    413,
    `The received message (delivery-id:0, size:${sizeBytes} bytes) exceeds the limit (${limitBytes} bytes) currently allowed on the link.`,
  );
}

export function quotaExceeded(path: string, limitBytes: number): ServiceBusError {
  return new ServiceBusError(
    'amqp:resource-limit-exceeded',
    403,
    `The maximum entity size of '${path}' has been reached or exceeded. Size of entity limit: ${limitBytes} bytes. Receive or delete messages, or raise MaxSizeInMegabytes.`,
  );
}

export function notAllowed(message: string): ServiceBusError {
  return new ServiceBusError('amqp:not-allowed', 400, message);
}

export function malformed(message: string): ServiceBusError {
  return new ServiceBusError('amqp:decode-error', 400, message);
}

export function unauthorized(message: string): ServiceBusError {
  return new ServiceBusError('amqp:unauthorized-access', 401, message);
}

export function serverBusy(): ServiceBusError {
  return new ServiceBusError(
    'com.microsoft:server-busy',
    503,
    'The request was terminated because the entity is being throttled. Error code : 50009. Please wait 2 seconds and try again.',
  );
}

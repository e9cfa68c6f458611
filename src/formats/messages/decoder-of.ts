import type { LossCounter } from '../recording-reader.ts';
import { cdrDecoder } from './cdr-decoder.ts';
import { columnarDecoder } from './columnar-decoder.ts';
import { parseIdlDefinition } from './idl-definition.ts';
import { jsonDecoder } from './json-decoder.ts';
import { type MessageDecoder, rawMessageDecoder } from './message-decoder.ts';
import { MessageDefinitionError } from './message-type.ts';
import { protobufDecoder } from './protobuf-decoder.ts';
import { parseRosDefinition } from './ros-definition.ts';
import { ROS1_WIRE } from './wire-layout.ts';

/** How a topic's messages are serialized and described, in the names of mcap.dev/spec/registry. */
export interface MessageEncoding {
  readonly messageEncoding: string;
  readonly schemaEncoding: string;
  readonly schemaName: string;
  readonly schemaData: Uint8Array;
}

/** The decoder for a topic's messages; they leave as bytes, with a word in `loss`, where there is none. */
export function decoderOf(encoding: MessageEncoding, table: string, loss: LossCounter): MessageDecoder {
  try {
    return compile(encoding);
  } catch (error) {
    if (!(error instanceof MessageDefinitionError)) throw error;
    const what = `the definition of ${encoding.schemaName || 'its messages'} cannot be used (${error.message})`;
    loss.add(0, 0, `${table}: ${what}; its messages are handed out as bytes`);
    return rawMessageDecoder();
  }
}

function compile({
  messageEncoding,
  schemaEncoding,
  schemaName,
  schemaData,
}: MessageEncoding): MessageDecoder {
  const text = () => new TextDecoder().decode(schemaData);
  switch (`${messageEncoding} ${schemaEncoding}`) {
    case 'ros1 ros1msg':
      return columnarDecoder(parseRosDefinition(schemaName, text(), 'ros1'), ROS1_WIRE);
    case 'cdr ros2msg':
      return cdrDecoder(parseRosDefinition(schemaName, text(), 'ros2'));
    case 'cdr ros2idl':
    case 'cdr omgidl':
      return cdrDecoder(parseIdlDefinition(schemaName, text()));
    case 'protobuf protobuf':
      return protobufDecoder(schemaName, schemaData);
    case 'json jsonschema':
      return jsonDecoder(text());
    case 'json ':
      return jsonDecoder('{}');
    default:
      throw new MessageDefinitionError(
        `messages in "${messageEncoding}" described in "${schemaEncoding}" are not read`,
      );
  }
}

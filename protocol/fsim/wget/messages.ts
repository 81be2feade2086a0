/** fdo.wget: the device fetches a file from a URL that the owner names. */
import { bytes, int, text } from '../../cbor/schema.ts'

export const WGET = 'fdo.wget'

/** owner → device `sha-384: bstr .size 48`, optional. */
export const Sha384 = bytes(48)
/** owner → device `name: tstr`, optional: the last segment of the URL's path if absent. */
export const Name = text
/** owner → device `url: tstr`, last: it starts the transfer. */
export const Url = text
/** device → owner `error: tstr`. */
export const WgetError = text
/** device → owner `done: int`, the length of the file. */
export const Done = int

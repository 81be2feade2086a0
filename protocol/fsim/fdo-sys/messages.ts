/** fdo_sys: the older module of the C and Java stacks; files and programs on the device. */
import { Major, type Item } from '../../cbor/scan.ts'
import {
  type Infer,
  type Schema,
  bool,
  bytes,
  int,
  listOf,
  text,
  tuple,
  uint32,
} from '../../cbor/schema.ts'

export const FDO_SYS = 'fdo_sys'

/** owner → device `filedesc: tstr`: makes or empties a file, which is the current one then. */
export const FileDesc = text
/** owner → device `write: bstr`, appended to the current file. */
export const Write = bytes()
/** owner → device `exec: [+ tstr]` (waited for), `exec_cb: [+ tstr]` (reported on). */
export const Exec = listOf(text, 1, 1024)
/** Both ways `status_cb: [isComplete: bool, resultCode: int, waitSec: uint]`. */
export const StatusCb = tuple({ isComplete: bool, resultCode: int, waitSeconds: uint32 })
export type StatusCb = Infer<typeof StatusCb>
/** owner → device `fetch: tstr`; device → owner `fetchfile: tstr`, the same name. */
export const Fetch = text
/** device → owner `data: bstr`, of the file fetched. */
export const Data = bytes()

const EotArray = tuple({ result: int })

/** device → owner `eot: [result: int]`; a bare number is read too. */
export const Eot: Schema<number> = {
  parse: (item: Item, path) =>
    item.major === Major.ARRAY ? EotArray.parse(item, path).result : int.parse(item, path),
  build: (result) => [result],
}

/**
 * The body of a push: multipart/form-data with the voucher in a file part, then what people call
 * the device. RFC 7578. Small enough to be read whole; written as go-fdo writes it.
 */
import { randomBytes } from 'node:crypto'
import { type Bytes, concat, utf8 } from '../../../protocol/bytes.ts'
import { TransferRefusal } from '../answer.ts'

export interface PushedVoucher {
  readonly voucher: Bytes
  readonly serial: string | null
  readonly model: string | null
}

const MOST_PARTS = 16
const LONGEST_TEXT = 1_024

/** Throws a refusal where there is not exactly one voucher in it. */
export async function readPush(body: Bytes, contentType: string): Promise<PushedVoucher> {
  if (!/^multipart\/form-data *;/i.test(contentType)) {
    throw new TransferRefusal(415, 'send multipart/form-data with the voucher in a file part')
  }
  const form = await parse(body, contentType)
  if ([...form.keys()].length > MOST_PARTS) throw malformed(`more than ${MOST_PARTS} parts`)
  const files = form.getAll('voucher')
  const [file] = files
  if (files.length !== 1 || file === undefined || typeof file === 'string') {
    throw malformed('expected one file part named voucher')
  }
  const voucher = new Uint8Array(await file.arrayBuffer())
  return { voucher, serial: textOf(form, 'serial'), model: textOf(form, 'model') }
}

async function parse(body: Bytes, contentType: string): Promise<FormData> {
  try {
    const headers = { 'content-type': contentType }
    return await new Response(new Uint8Array(body), { headers }).formData()
  } catch {
    // All that the platform says is that it cannot read it.
    throw malformed('not multipart/form-data')
  }
}

function textOf(form: FormData, name: string): string | null {
  const value = form.get(name)
  if (typeof value !== 'string' || value === '') return null
  if (value.length > LONGEST_TEXT) throw malformed(`${name} is too long`)
  return value
}

function malformed(what: string): TransferRefusal {
  return new TransferRefusal(400, `multipart: ${what}`)
}

export interface PushBody {
  readonly contentType: string
  readonly body: Bytes
}

/** The parts in the order of go-fdo's sender; what is empty is left out. */
export function buildPush(
  { voucher, serial, model }: PushedVoucher,
  guid: string,
  boundary = randomBytes(30).toString('hex'),
): PushBody {
  const disposition = 'Content-Disposition: form-data; name='
  const file = [
    `--${boundary}`,
    `${disposition}"voucher"; filename="${guid}.fdoov"`,
    'Content-Type: application/octet-stream',
    '',
    '',
  ].join('\r\n')
  const fields = Object.entries({ serial, model, guid })
    .filter(([, value]) => value)
    .map(([name, value]) => `\r\n--${boundary}\r\n${disposition}"${name}"\r\n\r\n${value}`)
  const end = utf8(`${fields.join('')}\r\n--${boundary}--\r\n`)
  return {
    contentType: `multipart/form-data; boundary=${boundary}`,
    body: concat(utf8(file), voucher, end),
  }
}

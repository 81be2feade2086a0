/** The certificates named in files of the configuration: whether they can be read, and for how long they hold. */
import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createSecureContext } from 'node:tls'
import { fromPem } from '../../../protocol/x509/pem.ts'
import type { Config } from '../../config.ts'
import { type Finding, daysUntil, findings, reasonOf } from './finding.ts'

const SOON_DAYS = 30

export function checkTrust({ trust, diClientCaFile, tlsFiles }: Config, now: Date): Finding[] {
  const files: [variable: string, file: string][] = []
  if (trust !== undefined && trust !== 'any') files.push(['FIRSTLIGHT_TRUST', trust])
  if (diClientCaFile !== undefined) files.push(['FIRSTLIGHT_DI_CLIENT_CA', diClientCaFile])
  if (tlsFiles) files.push(['FIRSTLIGHT_TLS_CERT', tlsFiles.cert])
  const found = files.flatMap(([variable, file]) => checkFile(variable, file, now))
  if (tlsFiles) found.push(...checkPair(tlsFiles))
  const { ok, warning } = findings('trust')
  if (trust === 'any') {
    const next = 'name the CAs that are meant in a file, unless this is a public rendezvous'
    found.push(warning('devices of any CA are accepted (FIRSTLIGHT_TRUST=any)', next))
  }
  return found.length > 0 ? found : [ok('our own device CA, and no other')]
}

function checkFile(variable: string, file: string, now: Date): Finding[] {
  const { ok, problem, warning } = findings('trust')
  const next = `put certificates in force into ${file}`
  try {
    const certificates = fromPem(readFileSync(file, 'utf8')) ?? []
    if (certificates.length === 0) return [problem(`${variable}: no certificates in ${file}`, next)]
    const ends = certificates.map((der) => new Date(new X509Certificate(der).validTo))
    const first = new Date(Math.min(...ends.map((end) => end.getTime())))
    const left = daysUntil(first, now)
    const detail = `${variable}: ${certificates.length} certificates, the first ends at ${first.toISOString()}`
    if (left < 0) return [problem(detail, next)]
    return [left < SOON_DAYS ? warning(detail, next) : ok(detail)]
  } catch (error) {
    return [problem(`${variable}: ${file}: ${reasonOf(error)}`, next)]
  }
}

function checkPair({ cert, key }: NonNullable<Config['tlsFiles']>): Finding[] {
  try {
    createSecureContext({ cert: readFileSync(cert), key: readFileSync(key) })
    return []
  } catch (error) {
    const next = 'write the certificate and the key that goes with it'
    const what = `FIRSTLIGHT_TLS_CERT and FIRSTLIGHT_TLS_KEY do not fit: ${reasonOf(error)}`
    return [findings('trust').problem(what, next)]
  }
}

/** A real nginx with the configuration we hand out, moved to ports and files of a test's own. */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { der, sequence } from '../../protocol/x509/der.ts'
import { certificatesToPem } from '../../protocol/x509/pem.ts'
import { CA_USAGE, certificateOf, ecKey, extension } from './certificates.ts'
import { freePort, until } from './programs.ts'

const PROGRAM = '/usr/sbin/nginx'
const found = existsSync(PROGRAM)

/** Left out without nginx, but not in CI, where it must fail. */
export const HAS_NGINX = found || process.env.CI !== undefined
if (!found) console.warn('nginx is not installed: the service behind it is NOT TESTED here')

/** Where nginx calls from: so that it is told from others on this machine. */
export const PROXY_ADDRESS = '127.0.0.2'

export class Nginx {
  readonly folder = mkdtempSync(join(tmpdir(), 'firstlight-nginx-'))
  readonly certFile = join(this.folder, 'cert.pem')
  readonly http: number
  readonly https: number
  #child: ChildProcess | undefined

  static async prepare(): Promise<Nginx> {
    return new Nginx(await freePort(), await freePort())
  }

  private constructor(http: number, https: number) {
    this.http = http
    this.https = https
    const [caKey, key] = [ecKey(), ecKey()]
    const issuer = { key: caKey, subject: 'proxy CA' }
    const ca = certificateOf({ ...issuer, isCa: true, keyUsage: CA_USAGE })
    const names = extension('2.5.29.17', sequence(der(0x82, Buffer.from('localhost'))))
    const certificate = certificateOf({ key, subject: 'localhost', issuer, extensions: [names] })
    writeFileSync(this.certFile, certificatesToPem([certificate, ca]))
    writeFileSync(this.file('key.pem'), key.export({ type: 'pkcs8', format: 'pem' }))
  }

  file(name: string): string {
    return join(this.folder, name)
  }

  /** Before a service at that port. */
  async start(port: number): Promise<void> {
    writeFileSync(this.file('nginx.conf'), this.#wrapped(this.#ours(port)))
    mkdirSync(this.file('temp'))
    const child = spawn(PROGRAM, ['-p', this.folder, '-c', this.file('nginx.conf')], {
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    let complaints = ''
    child.stderr.on('data', (part: Buffer) => (complaints += part.toString()))
    this.#child = child
    await until('nginx answers', async () => {
      if (child.exitCode !== null) throw new Error(`nginx: ${complaints}`)
      return fetch(`http://localhost:${this.http}/`, { redirect: 'manual' }).then(
        () => true,
        () => false,
      )
    })
  }

  async end(): Promise<void> {
    const child = this.#child
    if (child && child.exitCode === null) {
      const ended = new Promise((resolve) => child.once('exit', resolve))
      child.kill('SIGQUIT')
      await ended
    }
    rmSync(this.folder, { recursive: true })
  }

  #ours(port: number): string {
    const moves: readonly (readonly [string, string])[] = [
      ['server 127.0.0.1:8080;', `server 127.0.0.1:${port};`],
      ['listen 443 ssl;', `listen 127.0.0.1:${this.https} ssl;`],
      ['listen 80;', `listen 127.0.0.1:${this.http};`],
      ['/etc/nginx/tls/fdo.example.com.pem', this.certFile],
      ['/etc/nginx/tls/fdo.example.com.key', this.file('key.pem')],
      ['server_name fdo.example.com;', `server_name localhost; proxy_bind ${PROXY_ADDRESS};`],
    ]
    let conf = readFileSync('scripts/packages/nginx.conf', 'utf8')
    for (const [from, to] of moves) {
      if (!conf.includes(from)) throw new Error(`nginx.conf no longer says ${from}`)
      conf = conf.replaceAll(from, to)
    }
    return conf
  }

  #wrapped(conf: string): string {
    const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    return `daemon off; master_process off; pid ${this.file('pid')}; error_log stderr;
events {}
http {
  access_log off;
  ${temporary.map((one) => `${one}_temp_path ${this.file('temp')};`).join('\n  ')}
${conf}
}
`
  }
}

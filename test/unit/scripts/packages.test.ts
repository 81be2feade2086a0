/** What is handed out to install the service with: it must say what the service understands. */
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parse, parseAllDocuments } from 'yaml'
import { loadConfig } from '../../../src/config.ts'

const FOLDER = 'scripts/packages'
const textOf = (name: string) => readFileSync(join(FOLDER, name), 'utf8')
const DRAIN_SECONDS = 10

type Environment = Readonly<Record<string, string>>

interface Compose {
  readonly services: {
    readonly firstlight: {
      readonly environment: Readonly<Record<string, string | null>>
      readonly read_only: boolean
      readonly cap_drop: readonly string[]
      readonly stop_grace_period: string
    }
  }
  readonly secrets: { readonly master_key: { readonly file: string } }
}

interface Probe {
  readonly httpGet: { readonly path: string; readonly port: string }
}

interface StatefulSet {
  readonly kind: 'StatefulSet'
  readonly spec: {
    readonly template: {
      readonly spec: {
        readonly terminationGracePeriodSeconds: number
        readonly enableServiceLinks: boolean
        readonly securityContext: { readonly runAsNonRoot: boolean }
        readonly containers: readonly {
          readonly envFrom: readonly { readonly configMapRef: { readonly name: string } }[]
          readonly securityContext: object
          readonly startupProbe: Probe
          readonly readinessProbe: Probe
          readonly livenessProbe: Probe
          readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string }[]
        }[]
        readonly volumes: readonly { readonly name: string }[]
      }
    }
    readonly volumeClaimTemplates: readonly { readonly metadata: { readonly name: string } }[]
  }
}

describe('the packages', () => {
  it('name no variable that is none', () => {
    const known = readFileSync('src/config-variables.ts', 'utf8')
    const files = readdirSync(FOLDER).filter((name) => name !== 'master.key')
    const named = files.flatMap((file) =>
      [...textOf(file).matchAll(/FIRSTLIGHT_[A-Z0-9_]+/g)].map(([name]) => ({ file, name })),
    )
    expect(named.length).toBeGreaterThan(20)
    expect(named.filter(({ name }) => !known.includes(`  ${name}:`))).toEqual([])
  })

  it('configure the image so that it starts once it is told its address', () => {
    const [, block = ''] = /^ENV ((?:.*\\\n)*.*)$/m.exec(textOf('Dockerfile')) ?? []
    const pairs = [...block.matchAll(/(FIRSTLIGHT_\w+)=(\S+)/g)]
    const environment = Object.fromEntries(pairs.map(([, name, value]) => [name, value]))
    const told = { ...environment, FIRSTLIGHT_PUBLIC_URL: 'http://fdo.example' }
    expect(loadConfig(told)).toMatchObject({ dataDir: '/data', port: 8080, tlsPort: 8443 })
    expect(textOf('Dockerfile')).toMatch(/^USER 1000:1000$/m)
  })

  it('keep nothing but sources in what the image is built from', () => {
    const [all, ...admitted] = textOf('Dockerfile.dockerignore')
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'))
    expect(all).toBe('*')
    expect(admitted.every((line) => line.startsWith('!'))).toBe(true)
    for (const private_ of ['data', '.git', 'node_modules', 'scripts']) {
      expect(admitted).not.toContain(`!${private_}`)
    }
  })

  it('leave the key that compose reads out of the package and the history', () => {
    const { files } = JSON.parse(readFileSync('package.json', 'utf8')) as { files: string[] }
    const { secrets } = parse(textOf('compose.yaml')) as Compose
    const key = join(FOLDER, secrets.master_key.file)
    expect(files).toContain(`!${key}`)
    expect(readFileSync('.gitignore', 'utf8').split('\n')).toContain(`/${key}`)
  })

  it('let compose run it without rights, and long enough to drain', () => {
    const { firstlight } = (parse(textOf('compose.yaml')) as Compose).services
    // Null is what the environment says, or nothing.
    const untold = Object.entries(firstlight.environment).filter(([, value]) => value !== null)
    const told = { ...Object.fromEntries(untold), FIRSTLIGHT_PUBLIC_URL: 'http://fdo.example' }
    expect(loadConfig(told).masterKeyFile).toBe('/run/secrets/master_key')
    expect(firstlight).toMatchObject({ read_only: true, cap_drop: ['ALL'] })
    expect(parseInt(firstlight.stop_grace_period)).toBeGreaterThan(DRAIN_SECONDS)
  })

  it('let Kubernetes run it likewise, and ask it how it is', () => {
    const documents = parseAllDocuments(textOf('kubernetes.yaml')).map(
      (one) => one.toJS() as { kind: string; data: Environment },
    )
    const settings = documents.find(({ kind }) => kind === 'ConfigMap')?.data ?? expect.fail()
    expect(loadConfig(settings)).toMatchObject({ dataDir: '/data', hosts: ['0.0.0.0'] })
    const set = documents.find(({ kind }) => kind === 'StatefulSet') as unknown as StatefulSet
    const { template, volumeClaimTemplates } = set.spec
    const [container = expect.fail()] = template.spec.containers
    expect(template.spec.securityContext.runAsNonRoot).toBe(true)
    // Its Service would otherwise give it a FIRSTLIGHT_PORT that is none.
    expect(template.spec.enableServiceLinks).toBe(false)
    expect(container.securityContext).toMatchObject({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    })
    const { drainSeconds } = loadConfig(settings)
    const { terminationGracePeriodSeconds } = template.spec
    expect(terminationGracePeriodSeconds).toBeGreaterThan(drainSeconds + DRAIN_SECONDS)
    const health = readFileSync('src/http/health.ts', 'utf8')
    for (const name of ['startupProbe', 'readinessProbe', 'livenessProbe'] as const) {
      expect(health).toContain(`'${container[name].httpGet.path}'`)
    }
    const volumes = [
      ...template.spec.volumes.map(({ name }) => name),
      ...volumeClaimTemplates.map(({ metadata }) => metadata.name),
    ]
    expect(container.volumeMounts.map(({ name }) => name).toSorted()).toEqual(volumes.toSorted())
  })
})

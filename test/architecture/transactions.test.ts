/** What happens in a transaction may be undone, or happen again: nobody is told of it from inside. */
import ts from 'typescript'
import { describe, expect, it } from 'vitest'
import { sourceFiles } from './source-files.ts'

/** An event that is told, a loop that is woken: who looks before the commit sees nothing yet. */
const TELLING = /(^|\.)(events\.\w+|wake\w*)$/

interface Place {
  readonly inTransaction: boolean
  readonly tell: (node: ts.Node) => void
}

/** Lines of functions with a `tx` that have effects but through it, or `afterCommit`. */
function effectsIn(text: string): string[] {
  const source = ts.createSourceFile('some.ts', text, ts.ScriptTarget.ESNext, true)
  const found: string[] = []
  const tell = (node: ts.Node): void => void found.push(node.getText(source).split('\n')[0] ?? '')
  look(source, { inTransaction: false, tell })
  return found
}

function look(node: ts.Node, { inTransaction, tell }: Place): void {
  if (isCallOf(node, /^afterCommit$/)) return
  if (inTransaction && (isCallOf(node, TELLING) || isKept(node))) tell(node)
  const within = inTransaction || takesTransaction(node)
  ts.forEachChild(node, (child) => look(child, { inTransaction: within, tell }))
}

function isCallOf(node: ts.Node, name: RegExp): boolean {
  return ts.isCallExpression(node) && name.test(node.expression.getText())
}

/** Beyond the transaction, in memory. */
function isKept(node: ts.Node): boolean {
  if (!ts.isBinaryExpression(node)) return false
  return (
    /^(\?\?|\|\||&&|[-+])?=$/.test(node.operatorToken.getText()) && /^this\./.test(node.getText())
  )
}

/** What is made with one lives no longer than it. */
function takesTransaction(node: ts.Node): boolean {
  if (!ts.isFunctionLike(node) || ts.isConstructorDeclaration(node)) return false
  return node.parameters.some(({ name }) => name.getText() === 'tx')
}

describe('a transaction', () => {
  it('tells nobody, wakes nobody and keeps nothing before it is committed', () => {
    const wrong = sourceFiles('src').flatMap(({ path, text }) =>
      effectsIn(text).map((line) => `${path}: ${line}`),
    )
    expect(wrong).toEqual([])
  })

  it('is heard of afterwards', () => {
    expect(
      effectsIn(`
        class Some {
          async add(tx: Executor) {
            afterCommit(tx, () => events.added({}))
            await this.#wake(tx)
            this.#services.events.added({})
            for (const one of all) wake(one)
            await commit(() => (this.last = 1))
          }
          async other() {
            this.#last = await database.commit(async (tx) => this.#places.wakeAll(await read(tx)))
            events.added({})
          }
        }
      `),
    ).toEqual([
      'this.#services.events.added({})',
      'wake(one)',
      'this.last = 1',
      'this.#places.wakeAll(await read(tx))',
    ])
  })
})

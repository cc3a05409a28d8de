import { h } from "preact";
import { PageProps } from "../app";
import { get, Job, path, post, remove, run, upload } from "../api";
import { PackageDetails } from "../factory";
import { size } from "../format";
import { component, useEffect, useRef, useState } from "../hooks";
import { go, href } from "../router";
import { may } from "../session";
import { announce, ErrorBox, Field, Form, Page, Part, Progress, TextField, Time, useWork } from "../ui/kit";
import { PackageApplications, PackageFacts } from "../ui/package-facts";
import { Packagers } from "./packagers";

interface Staged {
    import: string;
    package: PackageDetails;
    replaces: number | null;
}

const stages: { [stage: string]: string } = { unpack: "Unpacking and verifying" };

const Steps = ({ at }: { at: number }) => (
    <ol class="steps" aria-label="Steps">
        {["Choose a package", "Send and verify", "Look and import"].map((text, i) => (
            <li key={text} class={i < at ? "done" : undefined} aria-current={i === at ? "step" : undefined}>{text}</li>
        ))}
    </ol>
);

export const Import = component<PageProps>(({ session }) => {
    const [passphrase, setPassphrase] = useState("");
    const [comment, setComment] = useState("");
    const [file, setFile] = useState<File | null>(null);
    const [over, setOver] = useState(false);
    const [sent, setSent] = useState<number | null>(null);
    const [job, setJob] = useState<Job<Staged> | null>(null);
    const [staged, setStaged] = useState<Staged | null>(null);
    const [counts, setCounts] = useState<PackageDetails | null>(null); // what the staged one would replace
    const stop = useRef<AbortController | null>(null);
    const left = useRef<string | null>(null); // staged and not decided upon
    const working = useRef<number | null>(null); // the job that verifies
    const { busy, error, work } = useWork();
    useEffect(() => {
        const leave = (): void => {
            stop.now?.abort();
            if (working.now !== null) void remove(path`/v1/jobs/${working.now}`).catch(() => undefined);
            working.now = null;
            if (left.now !== null) void remove(path`/v1/factory/imports/${left.now}`).catch(() => undefined);
            left.now = null;
        };
        // Closed or loaded anew: what is staged would be in the way of others for an hour.
        addEventListener("pagehide", leave);
        return () => { removeEventListener("pagehide", leave); leave(); };
    }, []);

    const send = (): Promise<void> => work(async () => {
        stop.now = new AbortController();
        setJob(null);
        setSent(0);
        try {
            announce("sending the package");
            const id = await upload(file!, setSent, stop.now.signal);
            announce("verifying the package");
            const result = await run<Staged>("/v1/factory/imports", { upload: id, file: file!.name, passphrase, comment }, (now) => {
                working.now = now.job;
                setJob(now);
            }, stop.now.signal);
            working.now = null;
            left.now = String(result.import);
            setCounts(result.replaces ? await get<PackageDetails>(path`/v1/factory/packages/${result.package.config_id}`) : null);
            setStaged(result);
            announce("the package is good: look at what is inside, then import it or cancel");
        } finally {
            working.now = null;
            setPassphrase("");
            setSent(null);
            setJob(null);
        }
    });
    const commit = (): Promise<void> => work(async () => {
        const done = await post<{ config_id: string; revision: number }>(path`/v1/factory/imports/${staged!.import}/commit`);
        left.now = null;
        announce(`imported as revision ${done.revision}`);
        go(["overview", done.config_id]);
    });
    const drop = (): Promise<void> => work(async () => {
        await remove(path`/v1/factory/imports/${staged!.import}`);
        left.now = null;
        setStaged(null);
        announce("not imported");
    });
    const choose = (files: FileList | null | undefined): void => setFile(files?.[0] ?? null);

    return (
        <Page title="Import" lead="A package is verified before anything of it can be seen; it counts once you import it." back={{ href: href(["overview"]), text: "Overview" }}>
            <Steps at={staged ? 2 : busy ? 1 : 0} />
            {staged ? (
                <div class="stack">
                    {staged.replaces ? <p class="note warn">Configuration <code>{staged.package.config_id}</code> is there already, as revision {staged.replaces}. Importing makes a new revision, which counts from then on; the older ones stay readable.</p> : null}
                    {counts && counts.sha256 === staged.package.sha256 ? <p class="note warn">It is the very same package.</p>
                        : counts && staged.package.created < counts.created ? <p class="note warn">Look twice: it was made before the one that counts now, of <Time value={counts.created} />.</p> : null}
                    <Part title="What is inside" note={comment}><PackageFacts of={staged.package} /></Part>
                    <Part title="Node and applications"><PackageApplications of={staged.package} file={(name) => name ?? "–"} /></Part>
                    <ErrorBox error={error} />
                    <div class="buttons">
                        <button type="button" class="primary" disabled={busy} onClick={() => void commit()}>Import</button>
                        <button type="button" disabled={busy} onClick={() => void drop()}>Cancel</button>
                    </div>
                </div>
            ) : busy ? (
                <div class="narrow">
                    <Part title={file?.name ?? "Package"} note={file ? size(file.size) : ""}>
                        <div class="stack">
                            {job === null
                                ? <Progress label="Sending" done={sent ?? 0} total={file?.size ?? 0} note={`${size(sent ?? 0)} of ${size(file?.size ?? 0)}`} />
                                : <Progress label={stages[job.stage] ?? (job.stage ? `Verifying: ${job.stage}` : "Verifying")} done={job.done} total={job.total} />}
                            <div class="buttons"><button type="button" onClick={() => stop.now?.abort()}>Cancel</button></div>
                        </div>
                    </Part>
                </div>
            ) : (
                <div class="split">
                    <Part title="Package">
                        <Form send="Send and verify" busy={busy} error={error} label="Import a package" disabled={!file || passphrase === ""} onSend={() => void send()}>
                            <Field label="File" hint="provPackage.tar.gz, as claviger package build made it. It can be dropped here, too." draw={(a) => (
                                <div class={over ? "drop over" : "drop"} onDragOver={(e: DragEvent) => { e.preventDefault(); setOver(true); }} onDragLeave={() => setOver(false)}
                                    onDrop={(e: DragEvent) => { e.preventDefault(); setOver(false); choose(e.dataTransfer?.files); }}>
                                    <input {...a} type="file" name="file" accept=".gz,.tgz" onChange={(e: Event) => choose((e.target as HTMLInputElement).files)} />
                                    {file ? <p class="hint">{file.name} · {size(file.size)}</p> : null}
                                </div>
                            )} />
                            <TextField label="Passphrase" name="passphrase" type="password" value={passphrase} onValue={setPassphrase} required autocomplete="off"
                                hint="Of the gateway key file in the package. It is used once and kept nowhere." />
                            <TextField label="Comment" name="comment" value={comment} onValue={setComment} lines={3} hint="Shown in the overview." />
                        </Form>
                    </Part>
                    <Packagers change={may(session, "FACTORY_MANAGE")} />
                </div>
            )}
        </Page>
    );
});

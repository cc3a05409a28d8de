import { h } from "preact";
import { PageProps } from "../app";
import { get, path } from "../api";
import { count } from "../format";
import { component, useLoad } from "../hooks";
import { keyOf, named, ObjectDetails, objectMark } from "../objects";
import { href } from "../router";
import { may } from "../session";
import { Sign } from "../ui/icons";
import { Code, Empty, ErrorBox, Facts, Loading, Page, Part, Time } from "../ui/kit";
import { Table } from "../ui/table";

const Details = component<{ id: string }>(({ id }) => {
    const found = useLoad<ObjectDetails>(() => get(path`/v1/objects/${id}`), [id]);
    const d = found.data;
    return (
        <Page title={d ? named(d) : id} back={{ href: href(["kmip"]), text: "KMIP objects" }}
            lead={d ? <span>{[d.type, keyOf(d)].filter(Boolean).join(", ")} <Sign mark={objectMark(d.state)}>{d.state ?? "without a state"}{d.archived ? ", archived" : ""}</Sign></span> : null}>
            <ErrorBox error={found.error} retry={found.reload} />
            {!d ? (found.error ? null : <Loading rows={6} what="Loading the object" />) : (
                <div class="stack">
                    <Part title="Object">
                        <Facts rows={[
                            ["Identifier", <Code wrap>{d.id}</Code>],
                            ["Group", <a href={href(["kmip"], { group: d.group })}>{d.group}</a>],
                            ["Made by", d.owner ?? "a client that is gone"],
                            ["Lives in", d.placement === "token" ? "the token" : "the store, sealed"],
                            d.usage ? ["Usage", `${count(d.usage.left)} of ${count(d.usage.total)} left${d.usage.unit ? `, in units of ${d.usage.unit}` : ""}`] : null,
                        ]} />
                    </Part>
                    <div class="split">
                        <Part title="Attributes" note="As clients see them with Get Attributes. Digests of keys are not shown.">
                            <Table caption="Attributes" rows={d.attributes} rowKey={(_, i) => i} columns={[
                                { name: "Name", cell: (a) => a.name },
                                { name: "Value", cell: (a) => <Code wrap>{a.value}</Code> },
                            ]} />
                        </Part>
                        <div class="stack">
                            <Part title="Links">
                                {d.links.length === 0 ? <p class="muted">None.</p> : (
                                    <ul class="feed">
                                        {d.links.map((l) => <li key={`${l.type} ${l.id}`}><span>{l.type}</span><a href={href(["kmip", l.id])}><Code wrap>{l.id}</Code></a></li>)}
                                    </ul>
                                )}
                            </Part>
                            <Part title="History" note="By the dates that are kept.">
                                <ol class="history">
                                    {d.history.map((e) => <li key={e.date}><Sign mark={new Date(e.time ?? "").getTime() > Date.now() ? "wait" : "idle"}>{e.date}</Sign><p><Time value={e.time} seconds none="a date that no calendar has" /></p></li>)}
                                </ol>
                            </Part>
                        </div>
                    </div>
                </div>
            )}
        </Page>
    );
});

/* The page of the list is for who sees networks, too: for the service's state. */
export const ObjectPage = component<PageProps>(({ session, place }) => may(session, "OBJECT_READ") ? <Details id={place.path[1]} /> : (
    <Page title="KMIP object"><section class="part"><Empty icon="key" title="Not for your role">As {session.role} you may not see objects.</Empty></section></Page>
));

//! People for whom somebody else vouches.

use super::{Kit, granted, person};
use store::{Identified, Identity, NewAgent, Present, Store, Way};
use terms::{Role, Typology, WallTime};

const NOW: WallTime = WallTime(1_000_000);

fn identity(subject: &str, email: &str) -> Identity {
    Identity { issuer: "https://id.example".into(), subject: subject.into(), email: email.into() }
}

fn of_way(name: &str, extension: &str, email: &str, way: Way) -> NewAgent {
    NewAgent { email: Some(email.into()), way, ..person(name, extension) }
}

pub async fn an_identity_is_bound_once_by_address_and_afterwards_by_subject<S: Store>(kit: &Kit<S>) {
    let people = vec![
        of_way("ann", "2001", "Ann@Example.com", Way::Oidc),
        of_way("bob", "2002", "bob@example.com", Way::Oidc),
        of_way("cay", "2003", "cay@example.com", Way::Local),
    ];
    let ids = kit.store.add_agents(people).await.unwrap();
    let says =
        async |subject: &str, email: &str| kit.store.identify(identity(subject, email), NOW).await.unwrap();
    assert_eq!(says("g-1", "nobody@example.com").await, Identified::Unknown);
    assert_eq!(
        says("g-1", "cay@example.com").await,
        Identified::Unknown,
        "a local account is never reached so"
    );
    assert_eq!(says("g-1", "ann@EXAMPLE.com").await, Identified::Agent(ids[0]));
    assert_eq!(
        says("g-1", "bob@example.com").await,
        Identified::Agent(ids[0]),
        "the subject speaks, not the address"
    );
    assert_eq!(
        says("g-2", "ann@example.com").await,
        Identified::AnotherIdentity,
        "an address given to somebody else"
    );
    assert_eq!(says("g-2", "bob@example.com").await, Identified::Agent(ids[1]));
    let elsewhere = Identity { issuer: "https://other.example".into(), ..identity("g-1", "ann@example.com") };
    assert_eq!(kit.store.identify(elsewhere, NOW).await.unwrap(), Identified::AnotherIdentity);

    // The administrator gives the account to a successor: the old identity is out, the new one is bound.
    kit.store.set_email(ids[0], Some("new@example.com".into())).await.unwrap();
    assert_eq!(says("g-1", "ann@example.com").await, Identified::Unknown);
    assert_eq!(says("g-3", "new@example.com").await, Identified::Agent(ids[0]));
    // An identity whose agent changed may be bound to another one.
    kit.store.set_email(ids[1], Some("b@example.com".into())).await.unwrap();
    assert_eq!(says("g-2", "b@example.com").await, Identified::Agent(ids[1]));

    assert!(kit.store.forget_identity(ids[1]).await.unwrap());
    assert!(!kit.store.forget_identity(ids[1]).await.unwrap());
    assert_eq!(says("g-9", "b@example.com").await, Identified::Agent(ids[1]));
    kit.store.set_way(ids[1], Way::Local).await.unwrap();
    assert_eq!(says("g-9", "b@example.com").await, Identified::Unknown, "another way closes this one");
    kit.store.remove_agent(ids[0], NOW).await.unwrap();
    assert_eq!(says("g-3", "new@example.com").await, Identified::Unknown);
}

pub async fn the_directory_is_asked_about_its_own_who_are_in<S: Store>(kit: &Kit<S>) {
    let people = vec![
        of_way("ann", "2001", "ann@example.com", Way::Directory),
        of_way("bob", "2002", "bob@example.com", Way::Directory),
        of_way("cay", "2003", "cay@example.com", Way::Local),
        of_way("dan", "2004", "dan@example.com", Way::Directory),
    ];
    let ids = kit.store.add_agents(people).await.unwrap();
    let desks = kit.phones(&["desk-17", "desk-18"]).await;
    let (ann, _) = granted(kit.sit(ids[0], desks[0], None, NOW.0).await);
    granted(kit.sit(ids[2], desks[1], None, NOW.0).await);
    kit.pending(ids[1], 1, NOW.0).await;
    let present = kit.store.directory_people(NOW).await.unwrap();
    let expected = [
        Present { agent: ids[0], login_name: "ann".into(), login: Some(ann.id) },
        Present { agent: ids[1], login_name: "bob".into(), login: None },
    ];
    assert_eq!(present, expected);
    kit.store.drop_pending_sessions(ids[1]).await.unwrap();
    assert_eq!(kit.store.directory_people(NOW).await.unwrap().len(), 1);

    let seq = kit.store.changes_since(0).await.unwrap().seq;
    kit.store.put_from_directory(ids[0], Some(Role::Supervisor), None).await.unwrap();
    let account = kit.store.account_by_id(ids[0]).await.unwrap().unwrap();
    assert_eq!((account.role, account.agent.typology), (Role::Supervisor, Typology::External));
    kit.store.put_from_directory(ids[0], None, Some(Typology::Webrtc)).await.unwrap();
    let account = kit.store.account_by_id(ids[0]).await.unwrap().unwrap();
    assert_eq!((account.role, account.agent.typology), (Role::Supervisor, Typology::Webrtc));
    let changes = kit.store.changes_since(seq).await.unwrap();
    assert_eq!(changes.agents.len(), 1, "the core hears of another kind of work");
}

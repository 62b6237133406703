"""Authorization: may this user do this?"""
